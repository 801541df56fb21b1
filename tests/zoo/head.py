"""A head for the zoo: the product's own ``up`` and ``down``, on free ports, with a home that is gone afterwards."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml

from serve_app.jobs.settings import InspectorConfig
from serve_app.local import processes
from tests.integration.cluster import ROOT, TOKENS, UP_TIMEOUT_S, Cluster, running
from tests.zoo.model import World
from tests.zoo.tables.serving import SERVICE

GB = 1e9
LIMIT_KEY = "quiet_limit_s"
DEFAULT_LIMIT_S = 600.0
# So many CPUs by Ray's account, whatever the machine has: programs ask for none, or for a place of their own.
RESOURCES = {"CPU": 16, "licence": 2}
EATEN_GB = 4.0
"""By one; ``HELD_GB``: less than may be taken, and two of it are more."""
HELD_GB = 1.9
# What a head with the application takes, and what a few small jobs on it take besides; more than that is eaten.
_HEAD_GB, _JOBS_GB = 2.6, 2.4
_LEAST_FREE_GB = 12.0


class NotHere(Exception):
    """This machine cannot bear that world; the text says why."""


@dataclass(frozen=True, slots=True)
class Head:
    """A running head, what it was started with, and a directory for what programs leave on disk."""

    cluster: Cluster
    limit_s: float
    directory: Path
    world: World = World.PLAIN

    def list_processes(self) -> list[psutil.Process]:
        """Everything that runs in it, and nothing else."""
        return processes.list_head_processes(self.find_temp_dir())

    def find_temp_dir(self) -> str:
        """Where Ray keeps its session."""
        return str(json.loads((self.cluster.home / "up.json").read_text())["temp_dir"])

    def cycle(self) -> None:
        """End it in order, and begin it anew with the same home and ports."""
        for name in ("down", "up"):
            subprocess.run(
                [sys.executable, "-m", f"serve_app.local.{name}"],
                env=self.cluster.env, cwd=ROOT, check=True, timeout=UP_TIMEOUT_S,
            )  # fmt: skip


def knows_limit() -> bool:
    """Whether this checkout has a limit for quiet jobs that can be set."""
    return LIMIT_KEY in InspectorConfig.model_fields


@contextmanager
def start_head(world: World, limit_s: float | None) -> Iterator[Head]:
    """Start one; ``limit_s`` None leaves the limit as it is shipped. Raises ``NotHere``."""
    home = Path(tempfile.mkdtemp(prefix="zoo-"))
    env = {f"SEEDCORE_{role.upper()}_TOKEN": token for role, token in TOKENS.items()}
    env |= {"SEEDCORE_CONFIG": str(_write_config(home, limit_s)), "RAY_OVERRIDE_RESOURCES": json.dumps(RESOURCES)}
    try:
        if world is World.MEMORY:
            env["RAY_memory_usage_threshold"] = f"{_choose_threshold():.3f}"
        with running(home / "home", env) as cluster:
            directory = home / "left"
            directory.mkdir()
            yield Head(cluster, limit_s or DEFAULT_LIMIT_S, directory, world)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _choose_threshold() -> float:
    """The share of memory above which Ray kills: what is used now, a head, and less than an eater takes."""
    memory = psutil.virtual_memory()
    if memory.available < _LEAST_FREE_GB * GB:
        raise NotHere(f"{memory.available / GB:.1f} GB of memory are free; eaters need {_LEAST_FREE_GB:g}")
    used = memory.total - memory.available
    return (used + (_HEAD_GB + _JOBS_GB) * GB) / memory.total


def _write_config(home: Path, limit_s: float | None) -> Path:
    """The shipped configuration, with jobs that may be managed, a declared service, and the limit."""
    config = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    application = config["applications"][0]
    application["args"]["job_management"] = {"enabled": True}
    inspector: dict[str, object] = {
        "kinds": [{"name": "model-server", "match": {"metadata": SERVICE}, "must_end": False}]
    }
    if limit_s is not None and knows_limit():
        inspector[LIMIT_KEY] = limit_s
    application["deployments"].append({"name": "JobInspector", "user_config": inspector})
    path = home / "zoo.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return path
