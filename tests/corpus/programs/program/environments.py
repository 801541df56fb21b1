"""Runtime environments that cannot be built, fetched, or are not valid."""

from __future__ import annotations

import json

from tests.corpus.program import Program

# Ray's own way to extend runtime environments: fails or takes as long as it is told.
_PLUGIN = """
import asyncio

from ray._private.runtime_env.plugin import RuntimeEnvPlugin


class Licence(RuntimeEnvPlugin):
    name = "licence"

    @staticmethod
    def validate(runtime_env):
        return runtime_env.get("licence")

    async def create(self, uri, runtime_env, context, logger):
        if runtime_env["licence"] == "expired":
            raise RuntimeError("the licence server has no seat left for solver 9.1")
        await asyncio.sleep(60)
        return 0
"""
FILES = {"corpus_plugin.py": _PLUGIN}
ENV = {"RAY_RUNTIME_ENV_PLUGINS": json.dumps([{"class": "corpus_plugin.Licence"}])}
_OK = "import ray\n\nray.init()\nprint('never run')\n"
_TASK = """
import ray

ray.init()


@ray.remote(num_cpus=0, runtime_env={environment})
def embed(text):
    return len(text)


print(ray.get(embed.remote("hello")))
"""
_ACTOR = """
import ray

ray.init()


@ray.remote(num_cpus=0, runtime_env={environment})
class Encoder:
    def encode(self, text):
        return len(text)


encoder = Encoder.remote()
print(ray.get(encoder.encode.remote("hello")))
"""
_LARGE = """
import os
import tempfile

import ray

directory = tempfile.mkdtemp()
with open(f"{directory}/checkpoint.bin", "wb") as file:
    for _ in range(540):
        file.write(os.urandom(1 << 20))
ray.init(runtime_env={"py_modules": [directory]})
"""
_INIT = "import ray\n\nray.init(runtime_env={environment})\nprint('never reached')\n"

PROGRAMS: tuple[Program, ...] = (
    Program(
        id="m-env-pip-not-found",
        title="A package that no index has",
        primary="env.pip-failed",
        why="There is no package of that name.",
        evidence="No matching distribution found for seedcore-no-such-package",
        source_code=_OK,
        runtime_env={"pip": ["seedcore-no-such-package"]},
    ),
    Program(
        id="m-env-pip-pin",
        title="A version that does not exist",
        primary="env.pip-failed",
        why="The package has no such version.",
        evidence="Could not find a version that satisfies the requirement idna==99.1",
        source_code=_OK,
        runtime_env={"pip": {"packages": ["idna==99.1"], "pip_check": False}},
    ),
    Program(
        id="m-env-pip-task",
        title="A task whose own environment cannot be installed",
        primary="env.pip-failed",
        why="The task's requirement contradicts itself.",
        evidence="ERROR: Cannot install idna==3.4 and idna==3.7 because",
        source_code=_TASK.format(environment={"pip": ["idna==3.4", "idna==3.7"]}),
    ),
    Program(
        id="m-env-uv-not-found",
        title="A package that uv does not find",
        primary="env.pip-failed",
        why="There is no package of that name.",
        evidence="Because seedcore-no-such-package was not found in the package registry",
        source_code=_OK,
        runtime_env={"uv": ["seedcore-no-such-package>=2"]},
    ),
    Program(
        id="m-env-too-large",
        title="A directory of modules above the limit",
        primary="env.package-too-large",
        why="The directory has 540 MiB that do not compress.",
        evidence="Package size (540.00MiB) exceeds the maximum size of 512.00MiB.",
        source_code=_LARGE,
        timeout_s=240,
    ),
    Program(
        id="m-env-package-missing",
        title="A package that the GCS no longer has",
        primary="env.package-missing",
        why="The URI names a package that was never uploaded.",
        evidence="Failed to download runtime_env file package gcs://_ray_pkg_0123456789abcdef.zip",
        entrypoint="python main.py",
        runtime_env={"working_dir": "gcs://_ray_pkg_0123456789abcdef.zip"},
    ),
    Program(
        id="m-env-archive-missing",
        title="A working directory in a file that is gone",
        primary="env.package-missing",
        acceptable=("app.data-access", "env.setup-failed"),
        why="The archive is not where the URI says.",
        evidence="No such file or directory: '/mnt/releases/pipeline-14.zip'",
        entrypoint="python main.py",
        runtime_env={"working_dir": "file:///mnt/releases/pipeline-14.zip"},
    ),
    Program(
        id="m-env-wrong-type",
        title="A variable that is a number",
        primary="env.invalid",
        why="Values of env_vars must be texts.",
        evidence="TypeError: runtime_env['env_vars'] must be of type Dict[str, str]",
        source_code=_INIT.format(environment={"env_vars": {"OMP_NUM_THREADS": 4}}),
    ),
    Program(
        id="m-env-conflict",
        title="A variable that the job and its driver set to two values",
        primary="env.invalid",
        why="Ray does not merge an environment of the driver into a different one of the job.",
        evidence="Failed to merge the Job's runtime env",
        source_code=_INIT.format(environment={"env_vars": {"STAGE": "prod"}}),
        runtime_env={"env_vars": {"STAGE": "test"}},
    ),
    Program(
        id="m-env-pip-and-conda",
        title="pip and conda at once",
        primary="env.invalid",
        why="Ray allows one of them.",
        evidence="of runtime_env cannot be specified at the same time.",
        source_code=_TASK.format(environment={"pip": ["idna"], "conda": "prod"}),
    ),
    Program(
        id="m-env-changes-ray",
        title="A requirement that brings another Ray",
        primary="env.invalid",
        acceptable=("env.pip-failed",),
        why="The installed Ray would be replaced by another version.",
        evidence="Changing the ray version is not allowed",
        source_code=_OK,
        runtime_env={"pip": ["ray==2.59.0"]},
    ),
    Program(
        id="m-env-conda-missing",
        title="A conda environment on a node without conda",
        primary="env.conda-failed",
        why="conda is not installed.",
        evidence="ValueError: Could not find Conda executable at 'conda'.",
        source_code=_OK,
        runtime_env={"conda": {"dependencies": ["python=3.11", "numpy"]}},
    ),
    Program(
        id="m-env-conda-actor",
        title="An actor in a named conda environment, without conda",
        primary="env.conda-failed",
        why="conda is not installed.",
        evidence="ValueError: Could not find Conda executable at conda.",
        source_code=_ACTOR.format(environment={"conda": "inference"}),
    ),
    Program(
        id="m-env-container",
        title="An image on a node without podman",
        primary="env.container-failed",
        why="podman is not installed.",
        evidence="FileNotFoundError: [Errno 2] No such file or directory: 'podman'",
        source_code=_ACTOR.format(environment={"image_uri": "registry.example/ranker:3"}),
    ),
    Program(
        id="m-env-timeout",
        title="An environment that takes longer than it may",
        primary="env.timeout",
        why="The plugin takes a minute, and the job allows four seconds.",
        evidence="within the timeout of 4 seconds",
        source_code=_OK,
        runtime_env={"licence": "slow", "config": {"setup_timeout_seconds": 4}},
    ),
    Program(
        id="m-env-plugin-error",
        title="A plugin of environments that raises",
        primary="env.setup-failed",
        why="The plugin's licence server has no seat left.",
        evidence="the licence server has no seat left for solver 9.1",
        source_code=_OK,
        runtime_env={"licence": "expired"},
    ),
    Program(
        id="m-env-plugin-error-task",
        title="A plugin of environments that raises for a task",
        primary="env.setup-failed",
        why="The plugin's licence server has no seat left for the task.",
        evidence="the licence server has no seat left for solver 9.1",
        source_code=_TASK.format(environment={"licence": "expired"}),
    ),
)
