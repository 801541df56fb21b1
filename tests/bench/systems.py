"""The systems that are measured. Each is a context that leaves nothing behind; inside it, ``shot`` is what to fire."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

from tests.bench import bare, old
from tests.bench.head import HOST, ROOT, BenchError, Head, end, get_json, wait_until
from tests.bench.load import Shot

FLAGS_FILE = ROOT / "deploy" / "serve.env"
CONFIG_FILE = ROOT / "serve_config.yaml"
READY_TIMEOUT_S = 120.0
# A plain word goes to the organ's default skill; task.preview only looks at words, so the hops are what is measured.
PRODUCT_ORGAN = "actuator_organ_1"
BODY = json.dumps({"task_data": {"type": "test_task", "description": "bench"}}).encode()
EXPECT = {"success": True, "result.success": True}


@dataclass(frozen=True)
class Running:
    """A system under load: what to fire, whose processes to count, and how long it took to come up."""

    name: str
    shot: Shot
    head: Head
    extra: tuple[psutil.Process, ...]
    seconds_to_head: float
    seconds_to_answer: float

    def processes(self) -> list[psutil.Process]:
        return list({each.pid: each for each in (*self.head.processes(), *self.extra)}.values())


def serve_flags(path: Path = FLAGS_FILE) -> dict[str, str]:
    """``NAME=value`` lines of the file that ``make up``, the image and KubeRay use; ``BenchError`` without it."""
    if not path.is_file():
        raise BenchError(f"{path.relative_to(ROOT)} does not exist: the flags of the product are not known")
    lines = (line.strip() for line in path.read_text().splitlines())
    pairs = (line.split("=", 1) for line in lines if line and not line.startswith("#"))
    return {name.strip(): value.strip().strip('"') for name, value in pairs}


def serve_config(head: Head) -> dict[str, Any]:
    """The product's deployment description, on the head's own port."""
    config: dict[str, Any] = yaml.safe_load(CONFIG_FILE.read_text())
    config["http_options"]["port"] = head.http_port
    return config


@contextmanager
def product(flags: dict[str, str]) -> Iterator[Running]:
    """This project, from its own ``serve_config.yaml``."""
    shot_path = f"/organism/execute/{PRODUCT_ORGAN}"
    with Head(flags) as head:
        up_s = time.monotonic() - head.began
        head.deploy(serve_config(head))
        shot = Shot(head.http_port, "POST", shot_path, BODY, {**EXPECT, "organ_id": PRODUCT_ORGAN})
        answer_s = _first_answer(shot, head.began)
        _wait_ready(head)
        yield Running("seedcore", shot, head, (), up_s, answer_s)


@contextmanager
def bare_serve(
    flags: dict[str, str], *, args: dict[str, Any] | None = None, changes: dict[str, Any] | None = None
) -> Iterator[Running]:
    """The bare Serve application, with the product's options; ``changes`` replaces top-level keys of the config."""
    with Head(flags) as head:
        up_s = time.monotonic() - head.began
        head.deploy(bare_config(head, args or {}, changes or {}))
        shot = Shot(head.http_port, "POST", bare.PATH, BODY, {**EXPECT, "organ_id": bare.ORGAN})
        yield Running("bare Serve", shot, head, (), up_s, _first_answer(shot, head.began))


def bare_config(head: Head, args: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The product's description with another application in it; a change to ``None`` drops the key."""
    config = copy.deepcopy(serve_config(head))
    config.update(changes)
    logging_config = changes.get("logging_config", config["applications"][0].get("logging_config"))
    application = {
        "name": "bare",
        "route_prefix": "/",
        "import_path": "tests.bench.bare:build",
        "args": args,
        "logging_config": logging_config or config["logging_config"],
    }
    config["applications"] = [application]
    return {key: value for key, value in config.items() if value is not None}


@contextmanager
def old_shape(_: dict[str, str]) -> Iterator[Running]:
    """The replaced shape on a head with Ray's defaults: it has no Serve, so the flags mean nothing to it."""
    with Head({}) as head:
        up_s = time.monotonic() - head.began
        command = [sys.executable, "-m", "tests.bench.old", str(head.client_port), str(head.http_port)]
        with (head.directory / "old-api.log").open("wb") as log:
            process = subprocess.Popen(
                command, env=head.environment, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        api = psutil.Process(process.pid)
        try:
            shot = Shot(head.http_port, "POST", old.PATH, BODY, {**EXPECT, "organ_id": old.ORGAN})
            yield Running("old shape", shot, head, (api,), up_s, _first_answer(shot, head.began))
        finally:
            end([api])


def _first_answer(shot: Shot, began: float) -> float:
    """Ask until the first right answer; returns the seconds since ``began``."""
    wait_until("the first answer", lambda: ask_once(shot), READY_TIMEOUT_S)
    return time.monotonic() - began


def ask_once(shot: Shot) -> bool:
    """One request by the plain HTTP client of the standard library; true when it is answered with 200."""
    import http.client

    connection = http.client.HTTPConnection(HOST, shot.port, timeout=5)
    try:
        connection.request(shot.method, shot.path, shot.body, {"Content-Type": "application/json"})
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _wait_ready(head: Head) -> None:
    def is_ready() -> bool:
        try:
            return get_json(f"http://{HOST}:{head.http_port}/ready").get("status") == "ready"
        except (OSError, ValueError):
            return False

    wait_until("/ready", is_ready, READY_TIMEOUT_S)
