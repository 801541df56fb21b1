"""The benchmarks that need no cluster run, with few jobs: what they use of the product was not renamed without them."""

from __future__ import annotations

import json
import signal
import sys

import pytest

from tests.bench import __main__ as bench
from tests.bench import diagnosis
from tests.bench.against import process
from tests.bench.jobs import poll


def test_a_run_that_is_terminated_gives_back_what_it_took(monkeypatch: pytest.MonkeyPatch) -> None:
    given_back: list[str] = []

    def measure(say: object) -> int:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            given_back.append("the directory of a commit")
        return 0

    monkeypatch.setattr(diagnosis, "run", measure)
    monkeypatch.setattr(sys, "argv", ["bench", "diagnosis"])
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended:
        bench.main()
    assert (ended.value.code, signal.getsignal(signal.SIGTERM)) == (143, before)
    assert given_back == ["the directory of a commit"]


def test_a_look_costs_something(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poll, "JOBS", 40)
    cost = poll.cost_of_a_look()
    assert min(cost.unchanged_ms, cost.one_change_ms, cost.first_ms) > 0


def test_memory_is_measured_at_twelve_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poll, "HOUR_S", 60)
    assert [each > 0 for each in poll.memory_over_an_hour()] == [True] * 12


def test_every_program_finds_the_modules_of_this_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(process.PROGRAMS))
    import layouts

    assert {name: layouts.load(name).__name__.split(".")[0] for name in layouts._NAMES} == {
        "judge": "serve_app",
        "models": "serve_app",
        "records": "serve_app",
        "store": "serve_app",
        "bench_rows": "tests",
        "bench_poll": "tests",
    }


def test_judging_is_measured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.syspath_prepend(str(process.PROGRAMS))
    import judging

    monkeypatch.setattr(judging, "JOBS", 20)
    monkeypatch.setattr(judging, "RUNNING", 2)
    judging.main()
    assert {name: figure > 0 for name, figure in json.loads(capsys.readouterr().out).items()} == {
        "first": True,
        "again": True,
    }
    del sys.modules["judging"], sys.modules["layouts"]
