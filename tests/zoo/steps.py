"""How a program comes into the cluster: its steps, one after the other, each awaited by a condition."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psutil

from tests.integration.cluster import TOKENS, Cluster
from tests.zoo.head import EATEN_GB, HELD_GB, Head
from tests.zoo.model import Ask, Cycle, Drive, Program, Step, Submit, Wait
from tests.zoo.ray_tables import RayTables

HERE = Path(__file__).parent / "programs"
ENDED = ("SUCCEEDED", "FAILED", "STOPPED")
_LIMITS = re.compile(r"\{([\d.]+) limits\}")
_BEGIN_S = 120.0
_POLL_S = 0.5


class StepFailed(Exception):
    """A step did not do what it should; the text says what."""


class Stage:
    """What the steps of programs act on."""

    def __init__(self, head: Head) -> None:
        self.head = head
        self.tables = RayTables(head.cluster.dashboard_url)
        self.begun_at_s: dict[str, float] = {}
        self._drivers: list[subprocess.Popen[bytes]] = []
        self._terminals: list[int] = []

    def perform(self, program: Program) -> None:
        """Every step of a program; raises ``StepFailed``."""
        for step in program.steps:
            self._perform_step(step)
        # So that no more than a few begin at once on two cores.
        for step in program.steps:
            if isinstance(step, Submit) and program.wave != "z":
                self._await_begin(step.id)

    def ask(self, asks: tuple[Ask, ...]) -> list[str]:
        """What the answers to these requests have wrong."""
        wrong = []
        for ask in asks:
            wrong += self._ask_until_right(ask)
        return wrong

    def clear(self, ids: list[str]) -> None:
        """Stop what these jobs still run, and end what they left behind; only processes of this head."""
        for id in ids:
            row = self.tables.find_row(id)
            if row is not None and row.get("submission_id") and row.get("status") not in ENDED:
                with suppress(httpx.HTTPError):
                    self._call_ray("POST", f"/api/jobs/{quote(id, safe='')}/stop")
        for driver in self._drivers:
            driver.kill()
            driver.wait(timeout=20)
        self._drivers.clear()
        for terminal in self._terminals:
            os.close(terminal)
        self._terminals.clear()
        self._wait_quietly(lambda: all(self._has_ended(id) for id in ids), 30)
        for process in self._find_processes(ids):
            with suppress(psutil.Error):
                process.kill()

    def close(self) -> None:
        """Let go of connections."""
        self.tables.close()

    def fill(self, value: Any) -> Any:
        """Put in what is in braces: ``{python}``, ``{here}``, ``{mark}``, ``{gigabytes}``, ``{1.5 limits}``."""
        if isinstance(value, dict):
            return {name: self.fill(each) for name, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.fill(each) for each in value]
        if not isinstance(value, str):
            return value
        named = {
            "{python}": sys.executable, "{here}": str(HERE), "{mark}": str(self.head.directory),
            "{gigabytes}": f"{EATEN_GB:g}", "{held gigabytes}": f"{HELD_GB:g}",
        }  # fmt: skip
        for name, text in named.items():
            value = value.replace(name, text)
        return _LIMITS.sub(lambda found: f"{float(found[1]) * self.head.limit_s:g}", value)

    def _perform_step(self, step: Step) -> None:
        if isinstance(step, Submit | Drive):
            self.begun_at_s[step.id] = time.time()
        match step:
            case Submit():
                body = {"submission_id": step.id, "entrypoint": self.fill(step.entrypoint)}
                body |= {"metadata": self.fill(dict(step.metadata)), **self.fill(dict(step.more))}
                self._submit(body)
            case Drive():
                self._drive(step)
            case Wait():
                self._wait(step)
            case Ask():
                if wrong := self._ask_until_right(step):
                    raise StepFailed("; ".join(wrong))
            case Cycle():
                self.head.cycle()

    def _submit(self, body: dict[str, Any]) -> None:
        """Ids that Ray notes and cannot start come back as an error, and are there all the same."""
        answer = self._call_ray("POST", "/api/jobs/", json.dumps(body))
        if answer.status_code >= 400 and self.tables.find_row(body["submission_id"]) is None:
            raise StepFailed(f"Ray refused {body['submission_id'][:60]}: {answer.text[-300:]}")

    def _drive(self, step: Drive) -> None:
        command = shlex.split(self.fill(step.command))
        if not step.terminal:
            with (self.head.directory / f"{step.id}.log").open("wb") as log:
                self._spawn(command, subprocess.DEVNULL, log.fileno())
            return
        ours, theirs = pty.openpty()
        self._terminals.append(ours)
        self._spawn(command, theirs, theirs)
        os.close(theirs)
        # What nobody reads would hold the program up.
        threading.Thread(target=_drain, args=(ours,), daemon=True).start()
        os.write(ours, step.types.encode())

    def _spawn(self, command: list[str], given: int, told: int) -> None:
        cluster = self.head.cluster
        self._drivers.append(
            subprocess.Popen(
                command, env=cluster.driver_env, cwd=self.head.directory, stdin=given, stdout=told, stderr=told,
                start_new_session=True,
            )
        )  # fmt: skip

    def _wait(self, step: Wait) -> None:
        conditions: dict[str, Callable[[], bool]] = {
            "ended": lambda: self._has_ended(step.id),
            "running": lambda: (self.tables.find_row(step.id) or {}).get("status") == "RUNNING",
            "log": lambda: step.text in self.tables.read_log(step.id),
            "licence": lambda: self._holds_licence(),
            "attempts": lambda: self.tables.read_facts(step.id).most_failed_attempts >= 3,
        }
        if not self._wait_quietly(conditions[step.state], step.timeout_s):
            raise StepFailed(f"{step.id}: not {step.state} {step.text!r} within {step.timeout_s:g} s")

    def _holds_licence(self) -> bool:
        free = self.head.cluster.get("/cluster/resources")["available"]
        return float(free.get("licence", 0.0)) < 1

    def _await_begin(self, id: str) -> None:
        def has_begun() -> bool:
            row = self.tables.find_row(id) or {}
            return row.get("status") in ENDED or bool(row.get("job_id")) or "python" not in str(row.get("entrypoint"))

        self._wait_quietly(has_begun, 30)

    def _has_ended(self, id: str) -> bool:
        row = self.tables.find_row(id)
        return row is None or row.get("status") in ENDED

    def _find_processes(self, ids: list[str]) -> list[psutil.Process]:
        words = {f"zoo={id}" for id in ids}
        found = []
        for process in self.head.list_processes():
            with suppress(psutil.Error):
                if words & set(process.cmdline()):
                    found.append(process)
        return found

    def _wait_quietly(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            with suppress(httpx.HTTPError, AssertionError, KeyError, ValueError, psutil.Error):
                if condition():
                    return True
            time.sleep(_POLL_S)
        return False

    def _call_ray(self, method: str, path: str, body: str | None = None) -> httpx.Response:
        with httpx.Client(base_url=self.head.cluster.dashboard_url, timeout=60) as api:
            return api.request(method, path, content=body, headers={"Content-Type": "application/json"})

    def _ask_until_right(self, ask: Ask) -> list[str]:
        if ask.after_s:
            # What Ray or the product does or says after a time only: there is no condition to wait for.
            time.sleep(ask.after_s)
        deadline = time.monotonic() + ask.within_s
        while True:
            wrong = self._ask_once(ask)
            if not wrong or time.monotonic() >= deadline:
                return wrong
            time.sleep(2.0)

    def _ask_once(self, ask: Ask) -> list[str]:
        if ask.times == 1:
            return self._send(ask)
        with ThreadPoolExecutor(ask.times) as pool:
            return sorted({wrong for found in pool.map(lambda _: self._send(ask), range(ask.times)) for wrong in found})

    def _send(self, ask: Ask) -> list[str]:
        cluster, began = self.head.cluster, time.monotonic()
        url = cluster.dashboard_url if ask.ray else cluster.http_url
        what = f"{ask.method} {ask.path[:80]}"
        try:
            answer = _request(cluster, url, ask)
        except httpx.HTTPError as error:
            return [f"{what}: {type(error).__name__} after {time.monotonic() - began:.1f} s"]
        took_s, text = time.monotonic() - began, answer.text
        statuses = ask.status if isinstance(ask.status, tuple) else (ask.status,)
        wrong = []
        if ask.status is not None and answer.status_code not in statuses:
            wrong.append(f"{what}: status {answer.status_code}, not {ask.status}: {text[:200]}")
        if took_s > ask.most_s:
            wrong.append(f"{what}: {took_s:.1f} s, not {ask.most_s:g}")
        lowered = text.casefold()
        missing = [each for each in ask.says if each.casefold() not in lowered]
        wrong += [f"{what} does not say {each!r}: {text[:400]}" for each in missing]
        return wrong + [f"{what} says {each!r}" for each in ask.lacks if each.casefold() in lowered]


def _drain(terminal: int) -> None:
    with suppress(OSError):
        while os.read(terminal, 65_536):
            pass


def _request(cluster: Cluster, url: str, ask: Ask) -> httpx.Response:
    headers = {"Authorization": f"Bearer {TOKENS['operator']}"} if not ask.ray else {}
    content = ask.body if isinstance(ask.body, bytes) else None if ask.body is None else json.dumps(ask.body)
    if content is not None:
        headers["Content-Type"] = "application/json"
    with httpx.Client(base_url=url, headers={**headers, **dict(ask.headers)}, timeout=max(5.0, ask.most_s)) as api:
        return api.request(ask.method, ask.path, content=content)
