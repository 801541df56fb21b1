"""What is taken from the answers of the application, and from Ray's tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.zoo.compare import Checked, State
from tests.zoo.observation import Deep, Facts, Look, Trace, render_trace
from tests.zoo.ray_tables import build_facts, is_driver_of
from tests.zoo.results import (
    FAILED,
    LEFT_OUT,
    MISS,
    NOT_PROVEN,
    OK,
    Result,
    load_results,
    render_table,
    save_results,
    summarize,
)
from tests.zoo.watch import build_deep, build_look, find_reported_verdict, find_row

ROW: dict[str, Any] = {
    "id": "hang", "job_id": "0a000000", "submission_id": "hang", "type": "SUBMISSION", "entrypoint": "python hangs.py",
    "outcome": "running", "verdict": "WARN", "rule": "stuck", "code": "app.get-timeout", "reason": "It waits.",
    "action": "Look.", "session": "s1",
}  # fmt: skip


def alert(**more: Any) -> dict[str, Any]:
    about = {"rule": "stuck-job", "severity": "warning", "state": "firing", "subject_type": "job", "subject_id": "hang"}
    return {**about, "session": "s1", "sentence": "It is stuck.", **more}


@pytest.mark.parametrize(
    ("alerts", "told"),
    [
        ([], ()),
        ([alert()], ("stuck-job:warning",)),
        ([alert(state="pending")], ()),
        ([alert(subject_id="other")], ()),
        ([alert(subject_type="kind")], ()),
        ([alert(session="s0")], ()),
        ([alert(), alert(rule="circling-job", severity="critical")], ("circling-job:critical", "stuck-job:warning")),
    ],
)
def test_alerts_that_fire_about_a_job(alerts: list[dict[str, Any]], told: tuple[str, ...]) -> None:
    expected = Look(
        5.0, 5.0, "running", "WARN", "stuck", "app.get-timeout", joined=True, alerts=told, reason="It waits."
    )  # fmt: skip
    assert build_look(ROW, alerts, [], 5.0) == expected


def test_findings_are_those_about_the_job() -> None:
    found = [alert(rule=rule, subject_id=id) for rule, id in (("stuck-job", "hang"), ("past-deadline", "b"))]
    assert build_look(ROW, [], found, 1.0).findings == ("stuck-job",)


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ({"type": "DRIVER", "submission_id": None, "entrypoint": "python ends.py boom zoo=drive"}, True),
        ({"type": "DRIVER", "submission_id": None, "entrypoint": "python -i -c 'x' zoo=drive"}, True),
        ({"type": "DRIVER", "submission_id": None, "entrypoint": "python ends.py boom zoo=drive-2"}, False),
        ({"type": "SUBMISSION", "submission_id": "other", "entrypoint": "python ends.py zoo=drive"}, False),
        ({"type": "SUBMISSION", "submission_id": "drive", "entrypoint": "sleep 1"}, True),
    ],
)
def test_a_job_is_found_by_its_id_or_its_last_word(row: dict[str, Any], found: bool) -> None:
    assert (find_row([row], "drive") is not None) is found


def test_a_submission_is_no_driver() -> None:
    assert not is_driver_of({"type": "SUBMISSION", "entrypoint": "x zoo=a"}, "a")


REPORT: dict[str, Any] = {"findings": [], "more": {}, "more_jobs": False}


def finding(subject: str, *examples: str, count: int = 1) -> dict[str, Any]:
    return {"subject": subject, "verdict": "WARN", "examples": list(examples), "count": count, "sentence": "So."}


@pytest.mark.parametrize(
    ("report", "told"),
    [
        ({}, "none"),
        ({"findings": [finding("job hang")]}, "WARN"),
        ({"findings": [finding("job hanger")]}, "none"),
        ({"findings": [finding("2 jobs", "a", "hang", count=2)]}, "WARN"),
        ({"findings": [finding("9 jobs", "a", "b", count=9)]}, None),
        ({"more": {"findings": 3}}, None),
        ({"more_jobs": True}, None),
    ],
)
def test_what_the_report_calls_a_job(report: dict[str, Any], told: str | None) -> None:
    assert find_reported_verdict(ROW, {**REPORT, **report}) == told


def test_everything_that_is_said_of_a_running_job() -> None:
    motion = {"state": "stuck", "sentence": "Left.meet waits for Right.answer"}
    detail = {
        **ROW, "motion": motion, "holds": {"resources": {"CPU": 0.5}, "actors": 2}, "unfinished": {"items": ["x"]}
    }  # fmt: skip
    still = {"state": "stuck", "code": "app.get-timeout", "sentence": "nothing comes"}
    deep = build_deep(ROW, detail, {"diagnosis": None, "stillness": still}, REPORT, [alert()])
    assert deep == Deep(
        "running", "WARN", "stuck", "app.get-timeout", "stuck", "app.get-timeout", None, "none", deep.said,
        {"CPU": 0.5, "actors": 2.0}, '{"items": ["x"]}',
    )  # fmt: skip
    for text in ("It waits.", "Look.", "It is stuck.", "Left.meet", "nothing comes"):
        assert text in deep.said


def test_a_version_without_motion_and_holds() -> None:
    found = {"code": "app.exception", "certainty": "certain"}
    deep = build_deep(ROW, ROW, {"diagnosis": found, "stillness": None}, REPORT, [])
    assert (deep.motion, deep.diagnosis, deep.certainty, deep.holds) == (None, "app.exception", "certain", {})


def test_attempts_are_counted_by_task() -> None:
    tasks = [
        {"task_id": "1", "name": "shard", "state": "FAILED"},
        {"task_id": "1", "name": "shard", "state": "FAILED"},
        {"task_id": "2", "name": "shard", "state": "FAILED"},
        {"task_id": "1", "name": "shard", "state": "RUNNING"},
        {"task_id": "3", "name": "part", "state": "FINISHED"},
    ]
    row = {"status": "RUNNING", "driver_exit_code": None}
    assert build_facts(row, tasks, [{"num_restarts": "2"}, {}], "log") == Facts(
        "RUNNING", None, {"shard": 3}, {"part": 1}, {"shard": 1}, 2, 2, "log"
    )


def result(**more: Any) -> Result:
    return Result("hang", "it hangs", None, "f", **more)


MET = Checked("hang", "one limit", State.MET, "running WARN")
MISSED = Checked("hang", "one limit", State.MISSED, "running WARN", "running OK", ("verdict",), 1.0)


@pytest.mark.parametrize(
    ("found", "state"),
    [
        (result(checked=(MET,)), OK),
        (result(checked=(MET, MISSED)), MISS),
        (result(checked=(Checked("hang", "x", State.WAITING, ""),)), MISS),
        (result(asked=("GET /x: 500",)), MISS),
        (result(checked=(MISSED,), not_proven=("exit code",)), NOT_PROVEN),
        (result(not_proven=("exit code",), failed="refused"), FAILED),
        (result(left_out="no memory"), LEFT_OUT),
    ],
)
def test_a_result_in_a_word(found: Result, state: str) -> None:
    assert found.state == state


def test_results_outlive_the_run(tmp_path: Path) -> None:
    found = result(checked=(MET, MISSED), asked=("a",), not_proven=("b",), traces={"hang": {}})
    save_results(tmp_path / "zoo.json", [found], {"limit_s": 20})
    assert load_results(tmp_path / "zoo.json") == {"hang": found}
    assert load_results(tmp_path / "none.json") == {}


def test_a_table_for_people() -> None:
    table = render_table([result(checked=(MET, MISSED))])
    assert [line.split()[:3] for line in table.splitlines()[1:]] == [
        ["hang", "one", "limit"], ["one", "limit", "MISS"], ["running", "OK"], ["!", "hang,", "one"]
    ]  # fmt: skip
    assert summarize([result(checked=(MET,)), result(checked=(MISSED,))]) == "2 programs\n1 ok\n1 MISS: hang"


def test_a_trace_as_json_counts_from_its_first_look() -> None:
    trace = Trace((Look(100.0, 103.0, "running", "OK", "running"),), 101.5)
    told = render_trace(trace)
    assert (told["looks"][0]["until_s"], told["armed_at_s"]) == (3.0, 1.5)
