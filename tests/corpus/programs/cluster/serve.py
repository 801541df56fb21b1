"""Serve: applications that do not come up, do not stay up, or drop requests; and one that is updated and fine."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import httpx

from tests.corpus.program import Program, healthy
from tests.corpus.recording import Recording, Source, collect, log_sizes, recorded, submit
from tests.corpus.scenes import serve_sources
from tests.record.cluster import Cluster
from tests.record.nodes import head, wait


def _serving() -> contextlib.AbstractContextManager[Cluster]:
    """A head that warns of slow replicas after 5 s instead of half a minute."""
    return head({"SERVE_SLOW_STARTUP_WARNING_S": "5", "SERVE_SLOW_STARTUP_WARNING_PERIOD_S": "5"})


def _program_that_fails(cluster: Cluster, program: Program) -> Recording:
    """A job that runs an application and ends because of it; what Serve says is recorded with it."""
    before = log_sizes(cluster)
    submission_id = submit(cluster, program)
    try:
        wait(lambda: cluster.status(submission_id) in program.statuses, f"{program.id} to end", program.timeout_s)
        time.sleep(2)
        return collect(cluster, submission_id, program, before, more=list(serve_sources(cluster)))
    finally:
        _end_serve(cluster)


def _deployed(import_path: str, *statuses: str, seconds: float = 2, **more: Any) -> Any:
    """An application of a config, without any job; recorded once it has one of the statuses."""

    def play(cluster: Cluster, program: Program) -> Recording:
        for name, text in program.files.items():
            (cluster.directory / name).write_text(str(text))
        config = {
            "http_options": {"host": "127.0.0.1", "port": cluster.ports["http"]},
            "applications": [{"name": "ranker", "route_prefix": "/", "import_path": import_path, **more}],
        }
        answer = cluster.api.put("/api/serve/applications/", json=config)
        answer.raise_for_status()
        try:
            wait(lambda: _application(cluster)["status"] in statuses, f"{program.id} to be {statuses}", 90)
            time.sleep(seconds)
            return recorded(cluster, program, {}, serve_sources(cluster))
        finally:
            _end_serve(cluster)

    return play


def _refused(cluster: Cluster, program: Program) -> Recording:
    """``serve deploy`` of a config that is wrong."""
    (cluster.directory / "config.yaml").write_text(str(program.files["config.yaml"]))
    done = cluster.run(["serve", "deploy", "--address", str(cluster.api.base_url), "config.yaml"])
    if not done.returncode:
        raise SystemExit(f"{program.id} was deployed")
    return recorded(cluster, program, {}, [Source("console.log", "file", (done.stdout + done.stderr).encode())])


def _application(cluster: Cluster) -> dict[str, Any]:
    found: dict[str, Any] = cluster.get("/api/serve/applications/")["applications"]["ranker"]
    return found


def _end_serve(cluster: Cluster) -> None:
    """Nothing of this application is left for the next, nor in the logs."""
    with contextlib.suppress(httpx.HTTPError):
        cluster.api.delete("/api/serve/applications/")
    with contextlib.suppress(SystemExit):
        wait(lambda: not cluster.get("/api/serve/applications/")["applications"], "Serve to end", 40)
    time.sleep(3)
    for path in (cluster.directory / "t/session_latest/logs/serve").glob("*.log"):
        path.unlink()


def _module(body: str, options: str = "") -> str:
    return f"""from ray import serve


@serve.deployment({options})
class Ranker:
{body}

    async def __call__(self, request):
        return "ranked"


app = Ranker.bind()
"""


RUN = "\nserve.start(http_options={'port': 0, 'location': 'NoServer'})\nserve.run(app, name='ranker')\nprint('up')\n"
RAISES = _module(
    """    def __init__(self):
        self.weights = {}
        self.scale = self.weights["scale"]
"""
)
MISSING = _module(
    "    def __init__(self):\n        import onnxruntime_extra\n\n        self.run = onnxruntime_extra.run\n"
)
UNHEALTHY = _module(
    """    def __init__(self):
        import time

        self.until = time.time() + 6

    def check_health(self):
        import time

        if time.time() > self.until:
            raise RuntimeError("connection to the feature store is lost")
""",
    "health_check_period_s=1, health_check_timeout_s=2",
)
NEVER_HEALTHY = _module(
    '    def check_health(self):\n        raise RuntimeError("model store is not reachable")\n',
    "health_check_period_s=1",
)
FINE = _module(
    "    def __init__(self):\n        self.version = 1\n", "num_replicas=2, ray_actor_options={'num_cpus': 0}"
)

PROGRAMS = (
    Program(
        id="m-serve-constructor",
        title="serve.run of an application whose constructor raises",
        primary="serve.constructor-failed",
        why="The deployment's constructor raises KeyError every time.",
        evidence="KeyError: 'scale'",
        head=_serving,
        play=_program_that_fails,
        source_code=RAISES + RUN,
        timeout_s=180,
    ),
    Program(
        id="m-serve-constructor-import",
        title="A deployment whose constructor imports a module that is missing",
        primary="serve.constructor-failed",
        acceptable=("app.import-error",),
        why="The constructor imports a module that is not there.",
        evidence="No module named 'onnxruntime_extra'",
        head=_serving,
        ends=(None,),
        play=_deployed("ranker_missing:app", "DEPLOY_FAILED"),
        files={"ranker_missing.py": MISSING},
    ),
    Program(
        id="m-serve-import-path",
        title="A config whose import path names no module",
        primary="serve.config-invalid",
        acceptable=("app.import-error",),
        why="The import path of the application names a module that does not exist.",
        evidence="No module named 'ranker_v2'",
        head=_serving,
        ends=(None,),
        play=_deployed("ranker_v2:app", "DEPLOY_FAILED"),
    ),
    Program(
        id="m-serve-import-attribute",
        title="A config whose import path names no application in its module",
        primary="serve.config-invalid",
        acceptable=("app.import-error",),
        why="The module of the import path has no attribute of that name.",
        evidence="application",
        head=_serving,
        ends=(None,),
        play=_deployed("ranker_fine:application", "DEPLOY_FAILED"),
        files={"ranker_fine.py": FINE},
    ),
    Program(
        id="m-serve-unknown-deployment",
        title="A config with options for a deployment that the application does not have",
        primary="serve.config-invalid",
        why="The config overrides a deployment named Rankers; the application has only Ranker.",
        evidence="Rankers",
        head=_serving,
        ends=(None,),
        play=_deployed("ranker_fine:app", "DEPLOY_FAILED", deployments=[{"name": "Rankers", "num_replicas": 2}]),
        files={"ranker_fine.py": FINE},
    ),
    Program(
        id="m-serve-config-refused",
        title="serve deploy of a config with options that are not allowed",
        primary="serve.config-invalid",
        why="num_replicas is negative.",
        evidence="num_replicas",
        head=_serving,
        ends=(None,),
        play=_refused,
        files={
            "config.yaml": "applications:\n- name: ranker\n  import_path: ranker_fine:app\n  deployments:\n"
            "  - name: Ranker\n    num_replicas: -2\n"
        },
    ),
    Program(
        id="m-serve-unhealthy",
        title="A replica that fails its health check after a while",
        primary="serve.health-check-failed",
        why="The replica's health check raises from its sixth second on, also in every replica that replaces it.",
        evidence="ealth check",
        head=_serving,
        ends=(None,),
        play=_deployed("ranker_unhealthy:app", "UNHEALTHY", seconds=0.2),
        files={"ranker_unhealthy.py": UNHEALTHY},
    ),
    Program(
        id="m-serve-never-healthy",
        title="A replica that fails its first health check",
        primary="serve.constructor-failed",
        acceptable=("serve.health-check-failed",),
        why="The replica's health check raises from the beginning.",
        evidence="model store is not reachable",
        head=_serving,
        ends=(None,),
        play=_deployed("ranker_never:app", "DEPLOY_FAILED"),
        files={"ranker_never.py": NEVER_HEALTHY},
    ),
    Program(
        id="m-serve-unschedulable",
        title="A deployment whose replicas want more CPUs than there are",
        primary="serve.unschedulable",
        acceptable=("scheduling.infeasible",),
        why="The replica wants 64 CPUs; the only node has 2.",
        evidence="scheduled",
        head=_serving,
        ends=(None,),
        play=_deployed("ranker_large:app", "DEPLOYING", seconds=15),
        files={"ranker_large.py": _module("    pass\n", "ray_actor_options={'num_cpus': 64}")},
    ),
    Program(
        id="m-serve-backpressure",
        title="Requests dropped because the deployment's queue is full",
        primary="serve.backpressure",
        why="The deployment takes one request at a time and queues one; the program sends 20 at once.",
        evidence="BackPressureError",
        head=_serving,
        play=_program_that_fails,
        source_code="""import asyncio

from ray import serve


@serve.deployment(max_ongoing_requests=1, max_queued_requests=1, ray_actor_options={"num_cpus": 0})
class Translator:
    async def __call__(self, text):
        await asyncio.sleep(1)
        return text


serve.start(http_options={"location": "NoServer"})
handle = serve.run(Translator.bind(), name="translator", route_prefix=None)
answers = [handle.remote("hello") for _ in range(20)]
print([answer.result() for answer in answers])
""",
        timeout_s=180,
    ),
    Program(
        id="m-serve-options",
        title="A deployment with options that are not allowed together",
        primary="serve.config-invalid",
        acceptable=("app.exception",),
        why="The deployment has both a number of replicas and an autoscaling config.",
        evidence="autoscaling_config",
        source_code=_module("    pass\n", "num_replicas=4, autoscaling_config={'max_replicas': 8}") + RUN,
    ),
    Program(
        id="m-serve-port",
        title="Serve at an HTTP port that is in use",
        primary="network.port-conflict",
        why="The program holds the port that it then gives to Serve's proxy.",
        evidence="ddress",
        head=lambda: _serving(),
        play=_program_that_fails,
        source_code=FINE
        + """
import socket

taken = socket.create_server(("0.0.0.0", 0))
serve.start(http_options={"host": "0.0.0.0", "port": taken.getsockname()[1]})
serve.run(app, name="ranker")
""",
        timeout_s=180,
    ),
    healthy(
        "m-serve-updated",
        "An application that was updated while it ran, and is running",
        "The application is deployed a second time with other replicas; then the program ends in order.",
        FINE
        + """
import time

serve.start(http_options={"location": "NoServer"})
serve.run(app, name="ranker", route_prefix=None)
serve.run(Ranker.options(num_replicas=1).bind(), name="ranker", route_prefix=None)
while serve.status().applications["ranker"].status != "RUNNING":
    time.sleep(0.5)
print("running")
""",
        head=lambda: _serving(),
        play=_program_that_fails,
        timeout_s=180,
    ),
)
