"""Ports, state file, progress lines, memory, and the texts of failures."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path

import pytest

from serve_app.deploy.failure import Failure, read_last_lines
from serve_app.deploy.progress import Progress
from serve_app.local import memory, ports, processes, state
from serve_app.local.state import Boot, ProcessMark, UpState

STATE = UpState(
    started_at="2026-01-01T00:00:00+00:00",
    http_port=8000,
    dashboard_port=8265,
    ray_port=6379,
    temp_dir="/t/sc-1",
    processes=(ProcessMark(pid=7, started_at_s=1.5, name="raylet"),),
    config_sha256="abc",
    prints={"the code": "1"},
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_chosen_ports_are_one_block_of_free_ports() -> None:
    chosen = ports.choose(lambda port: port >= 25_000, random.Random(1))
    first = chosen.ray_client
    assert first >= 25_000
    assert chosen == ports.ChosenPorts(
        ray_client=first,
        autoscaler_metrics=first + 1,
        dashboard_metrics=first + 2,
        haproxy_stats=first + 3,
        haproxy_metrics=first + 4,
        fallback_http=first + 5,
        fallback_grpc=first + 6,
        replica_http_first=first + 7,
        replica_grpc_first=first + 107,
    )


def test_choice_has_an_end() -> None:
    with pytest.raises(RuntimeError, match="no 7 free ports in a row between 20000 and 30000"):
        ports.choose(lambda port: False, random.Random(1))


def test_state_file_round_trip(tmp_path: Path) -> None:
    assert state.load(tmp_path) is None
    state.save(tmp_path, STATE)
    assert state.load(tmp_path) == STATE
    assert STATE.head_is_ours
    assert state.find_state_file(tmp_path).stat().st_mode & 0o777 == 0o600
    state.forget(tmp_path)
    state.forget(tmp_path)
    assert state.load(tmp_path) is None


def test_the_state_that_another_version_left_is_read(tmp_path: Path) -> None:
    state.save(tmp_path, STATE)
    left = json.loads(state.find_state_file(tmp_path).read_text())
    state.find_state_file(tmp_path).write_text(json.dumps({**left, "chosen_ports": {"ray_client": 20001}}))
    assert state.load(tmp_path) == STATE


BOOT = Boot(boot_id="a", booted_at_s=1000.0)


@pytest.mark.parametrize(
    ("then", "now", "expected"),
    [
        (BOOT, BOOT, 0.0),
        (BOOT, BOOT.model_copy(update={"booted_at_s": 4600.0}), 3600.0),
        (BOOT, BOOT.model_copy(update={"booted_at_s": 999.0}), -1.0),
        (BOOT, Boot(boot_id="b", booted_at_s=4600.0), 0.0),  # the machine was started anew
        (None, BOOT, 0.0),  # an older version wrote it
        (Boot(boot_id="", booted_at_s=1.0), Boot(boot_id="", booted_at_s=2.0), 0.0),  # cannot be told
    ],
)
def test_step_of_the_clock(then: Boot | None, now: Boot, expected: float) -> None:
    assert state.find_clock_step_s(then, now) == expected


def test_a_process_is_known_again_after_the_clock_was_set(tmp_path: Path) -> None:
    own = processes.remember_processes([processes.psutil.Process()])
    state.save(tmp_path, STATE.model_copy(update={"processes": own}))
    left = json.loads(state.find_state_file(tmp_path).read_text())
    left["boot"]["booted_at_s"] -= 3600  # as if all was written an hour of the clock ago
    left["processes"][0]["started_at_s"] -= 3600
    state.find_state_file(tmp_path).write_text(json.dumps(left))
    found = state.load(tmp_path)
    assert found is not None
    assert found.processes[0].started_at_s == pytest.approx(own[0].started_at_s)
    assert processes.is_alive(found.processes[0])


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}'])
def test_state_file_that_cannot_be_understood(tmp_path: Path, content: str) -> None:
    state.find_state_file(tmp_path).write_text(content)
    with pytest.raises(Failure, match="cannot be read as what `make up` wrote there"):
        state.load(tmp_path)


def test_a_pid_is_not_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    own = processes.remember_processes([processes.psutil.Process()])[0]
    assert processes.is_alive(own)
    assert not processes.is_alive(own.model_copy(update={"started_at_s": own.started_at_s - 60}))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            ["python", "gcs_server", "raylet", "ray::IDLE"],
            [["raylet"], ["python", "ray::IDLE"], ["gcs_server"]],
        ),
        (["haproxy"], [["haproxy"]]),
        ([], []),
    ],
)
def test_order_of_ending(names: list[str], expected: list[list[str]]) -> None:
    class Fake:
        def __init__(self, name: str) -> None:
            self._name = name

        def name(self) -> str:
            return self._name

    staged = processes.sort_stages([Fake(name) for name in names])
    assert [[each.name() for each in stage] for stage in staged] == expected


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (
            io.StringIO(),
            "[3/6] checks … looking 1 s\n[3/6] checks … found 4 s\n[3/6] checks: fine, 4.0 s\n"
            "[4/6] Ray head: failed, 0.0 s\n",
        ),
        (
            Terminal(),
            "\r\x1b[K[3/6] checks … looking 1 s\r\x1b[K[3/6] checks … looking 2 s\r\x1b[K[3/6] checks … found 4 s"
            "\r\x1b[K[3/6] checks: fine, 4.0 s\n\r\x1b[K[4/6] Ray head: failed, 0.0 s\n",
        ),
    ],
)
def test_progress(stream: io.StringIO, expected: str) -> None:
    now = [0.0]
    progress = Progress(stream, first=3, clock=lambda: now[0])
    with progress.run_step("checks") as step:
        for now[0], text in ((1.0, "looking"), (2.0, "looking"), (4.0, "found")):
            step.say(text)
        step.outcome = "fine"
    with pytest.raises(ZeroDivisionError), progress.run_step("Ray head"):
        _ = 1 / 0
    assert stream.getvalue() == expected


def test_memory_counts_the_container(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("400\n")
    assert memory.measure_available_bytes(tmp_path) == 600
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.measure_available_bytes(tmp_path) > 2**20


def test_failure_text() -> None:
    failure = Failure("It broke.", "Mend it.", read_last_lines("one\n\n two \n" * 2, limit=3))
    assert failure.render() == "error: It broke.\n  |  two\n  | one\n  |  two\nnext:  Mend it."


def test_the_state_of_another_version_is_read(tmp_path: Path) -> None:
    """Of the one before, and of one after, which remembers more."""
    old = json.loads((Path(__file__).parents[2] / "upgrade" / "recorded" / "9652b36" / "up.json").read_text())
    state.find_state_file(tmp_path).write_text(json.dumps({**old, "something_new": {"a": 1}}))
    found = state.load(tmp_path)
    assert found is not None
    assert (found.temp_dir, found.processes[0].pid, found.prints["the code"]) == ("/t/sc-1", 7, "of the old")
