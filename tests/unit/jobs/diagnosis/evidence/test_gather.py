"""What is gathered of a job, in which order, and what is said of what cannot be had."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from serve_app.cluster.private import UnknownRay
from serve_app.errors import NotFound, Unavailable
from serve_app.jobs.diagnosis.evidence import gather as module
from serve_app.jobs.diagnosis.evidence import logs
from serve_app.jobs.diagnosis.evidence.gather import DiagnosisSubject, EvidenceGatherer, GatheredEvidence, choose_status
from serve_app.jobs.diagnosis.models import Belongings, Fields
from serve_app.jobs.models import DriverExit, JobRow, JobType, NodeFacts
from serve_app.outcomes import JobOutcome
from tests.unit.jobs.actions.fakes import row
from tests.unit.jobs.diagnosis.fakes import AGENT, ENDED, ENDED_MS, STARTED, FakeEvidence, facts, nothing_kept, texts

LOG = "job-driver-j.log"
WORKER = "worker-aa-02000000-7"


def submission(**changes: Any) -> JobRow:
    return row(**{"job_id": "02000000", "started_at": STARTED, "ended_at": ENDED, **changes})


async def gathered(
    ray: FakeEvidence, subject: DiagnosisSubject | None = None, kept: str | None = None, agent: Any = AGENT
) -> GatheredEvidence:
    async def kept_log(row: JobRow) -> str | None:
        return kept

    def agent_of(node_id: str) -> str | None:
        if isinstance(agent, Exception):
            raise agent
        return agent if isinstance(agent, str) else None

    made = EvidenceGatherer(ray, agent_of, kept_log, clock=lambda: 0.0)
    return await made.gather(subject or DiagnosisSubject(submission(), facts()))


async def test_the_row_of_ray_has_the_whole_message() -> None:
    ray = FakeEvidence({"driver_agent_http_address": AGENT, "message": "long"}, {LOG: b"hello\n"})
    found = await gathered(ray, DiagnosisSubject(row(entrypoint="python x.py"), facts()))
    error = "JOB_ENTRYPOINT_COMMAND_ERROR"
    assert found.fields == Fields("FAILED", error, 1, "long", "SUBMISSION", "python x.py")
    assert await texts(found) == [(LOG, "driver", "hello\n")]
    assert (found.unavailable, found.again) == ((), False)
    # It never connected to Ray: there is no table to ask.
    assert [name for name, _ in ray.asked] == ["job", "piece_of"]


async def test_everything_that_tells_of_a_job() -> None:
    ray = FakeEvidence(
        files={
            LOG: b"driver\n",
            f"{WORKER}.err": b"err\n",
            f"{WORKER}.out": b"out\n",
            "worker-bb-02000000-8.err": b"other\n",
            "worker-cc-03000000-9.err": b"of another job\n",
        },
        tables={
            "actors": [
                {"job_id": "02000000", "state": "DEAD", "actor_id": "a1", "node_id": "n2", "death_cause": {
                    "creation_task_failure_context": {"formatted_exception_string": "ValueError: x"}}},
                {"job_id": "02000000", "state": "DEAD", "actor_id": "a2", "death_cause": {
                    "actor_died_error_context": {"error_message": "went", "reason": "OUT_OF_SCOPE"}}},
                {"job_id": "03000000", "state": "DEAD", "actor_id": "a3", "death_cause": {"oom_context": {}}},
            ],
            "tasks": [
                {"job_id": "02000000", "state": "FAILED", "task_id": "t2", "end_time_ms": 2,
                 "error_type": "WORKER_DIED", "error_message": "second", "worker_id": "bb", "node_id": "n1"},
                {"job_id": "02000000", "state": "FAILED", "task_id": "t1", "end_time_ms": 1,
                 "error_type": "TASK_EXECUTION_EXCEPTION", "error_message": "first"},
                {"job_id": "02000000", "state": "FAILED", "task_id": "t3", "end_time_ms": 3, "error_message": "mended"},
                {"job_id": "02000000", "state": "FINISHED", "task_id": "t3"},
            ],
            "workers": [
                {"worker_type": "WORKER", "worker_id": "aa", "exit_type": "SYSTEM_ERROR", "exit_detail": "killed",
                 "end_time_ms": ENDED_MS - 5_000},
                {"worker_type": "WORKER", "worker_id": "bb", "exit_type": "USER_ERROR", "end_time_ms": ENDED_MS + 1},
                {"worker_type": "WORKER", "worker_id": "dd", "exit_type": "SYSTEM_ERROR", "end_time_ms": 1},
            ],
        },
    )  # fmt: skip
    exited = DriverExit("02000000", False, "SYSTEM_ERROR", "end of file", 7, STARTED, ENDED, "n1")
    found = await gathered(ray, DiagnosisSubject(submission(), facts(), exited))
    assert await texts(found) == [
        (LOG, "driver", "driver\n"),
        ("actor a1", "ray", "ValueError: x"),
        ("task t1", "ray", "first"),
        ("task t2", "ray", "WORKER_DIED: second"),
        ("driver process", "ray", "SYSTEM_ERROR: end of file"),
        ("worker aa", "ray", "SYSTEM_ERROR: killed"),
        ("worker-bb-02000000-8.err", "worker", "other\n"),
        ("worker-aa-02000000-7.err", "worker", "err\n"),
        ("worker-aa-02000000-7.out", "worker", "out\n"),
    ]
    assert [argument for name, argument in ray.asked if name == "log_files"] == [
        ("n1", "worker-*-02000000-*"),
        ("n2", "worker-*-02000000-*"),
    ]
    assert (found.unavailable, found.again) == ((), False)


@pytest.mark.parametrize(
    ("ray", "kept", "unavailable", "again"),
    [
        (
            FakeEvidence(),
            "the end",
            "The driver's log: its node does not have it any more; only its last lines were kept.",
            False,
        ),
        (FakeEvidence(), None, "The driver's log: its node does not have it any more; nothing of it was kept.", False),
        (
            FakeEvidence(fail={"piece_of": Unavailable("The node cannot be asked.")}),
            None,
            "The driver's log: The node cannot be asked; nothing of it was kept.",
            True,
        ),
    ],
)
async def test_a_log_that_is_gone(ray: FakeEvidence, kept: str | None, unavailable: str, again: bool) -> None:
    found = await gathered(ray, DiagnosisSubject(row(), facts()), kept)
    assert await texts(found) == ([("kept end of the driver's log", "driver", kept)] if kept else [])
    assert (found.unavailable, found.again) == ((unavailable,), again)


async def test_ray_that_does_not_answer_loses_nothing_else() -> None:
    names = ("job", "actors", "tasks", "workers", "log_files")
    ray = FakeEvidence(fail={name: Unavailable(f"{name}?") for name in names})
    found = await gathered(ray, DiagnosisSubject(submission(), facts()), "the end")
    assert await texts(found) == [("kept end of the driver's log", "driver", "the end")]
    assert found.fields.driver_exit_code == 1
    assert found.unavailable == (
        "Ray's row of the job: job?",
        "The driver's log: no node is known that has it; only its last lines were kept.",
        "The actor table: actors?",
        "The task table: tasks?",
        "The worker table: workers?",
        "Worker logs of node n1: log_files?",
    )
    assert found.again


@pytest.mark.parametrize("agent", [None, UnknownRay("another"), "http://x/../y"])
async def test_an_agent_that_is_not_known(agent: Any) -> None:
    ray = FakeEvidence(files={LOG: b"", f"{WORKER}.err": b"err\n"})
    found = await gathered(ray, agent=agent)
    assert [name for name, _, _ in await texts(found)] == [LOG]
    assert found.unavailable == ("Worker logs of node n1: its agent is not known.",)


async def test_only_so_many_worker_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WORKER_LOGS", 2)
    names = [f"worker-{number:02x}-02000000-7.{end}" for number in range(2) for end in ("err", "out")]
    ray = FakeEvidence(files={LOG: b"", **dict.fromkeys(names, b"x")})
    found = await gathered(ray)
    assert [name for name, _, _ in await texts(found)] == [LOG, names[0], names[2]]
    assert found.unavailable == ("Worker logs: 2 of 4 were looked at, those of failed tasks first.",)


async def test_a_driver_that_was_started_by_hand() -> None:
    by_hand = submission(type=JobType.DRIVER, submission_id=None, node_id=None)
    found = await gathered(FakeEvidence(), DiagnosisSubject(by_hand, facts(type=JobType.DRIVER)))
    assert await texts(found) == []
    why = "The driver's output: Ray keeps none of a driver that was started by hand."
    assert (found.unavailable, found.fields.type) == ((why,), "DRIVER")


@pytest.mark.parametrize(
    ("message", "exit_detail", "outcome", "wanted"),
    [
        ("plain", None, JobOutcome.FAILED, []),
        ("runtime_env setup failed: no pip", None, JobOutcome.FAILED, ["runtime_env_setup-02000000.log"]),
        ("plain", "raylet died", JobOutcome.FAILED, ["raylet.out (end)"]),
        ("plain", None, JobOutcome.LOST, ["raylet.out (end)"]),
    ],
)
async def test_logs_of_the_system_are_read_when_they_are_suspected(
    monkeypatch: pytest.MonkeyPatch, message: str, exit_detail: str | None, outcome: JobOutcome, wanted: list[str]
) -> None:
    monkeypatch.setattr(logs, "SYSTEM_LOG_BYTES", 9)
    files = {LOG: b"", "runtime_env_setup-02000000.log": b"line\n", "raylet.out": b"earlier\nlast\n"}
    driver = DriverExit("02000000", False, "INTENDED_USER_EXIT", exit_detail, 7, STARTED, ENDED, "n1")
    subject = DiagnosisSubject(submission(outcome=outcome), facts(message=message), driver)
    found = await texts(await gathered(FakeEvidence(files=files), subject))
    assert [(name, text) for name, kind, text in found if kind == "system"] == [
        (name, "last\n" if "raylet" in name else "line\n") for name in wanted
    ]


async def test_a_node_of_the_job_that_died_while_it_ran() -> None:
    def node(node_id: str, state: str, after_s: float) -> NodeFacts:
        ended_at = STARTED + timedelta(seconds=after_s)
        return NodeFacts(node_id, "ip", False, state, "health check failed", None, ended_at, {}, {})

    nodes = (node("n1", "DEAD", 60), node("n2", "DEAD", 60), node("n1", "DEAD", -60), node("n1", "ALIVE", 60))
    found = await gathered(FakeEvidence(files={LOG: b""}), DiagnosisSubject(submission(), facts(), nodes=nodes))
    assert (await texts(found))[1:] == [("node n1", "ray", "DEAD: health check failed")]


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (JobOutcome.FAILED, "FAILED"),
        (JobOutcome.LOST, "FAILED"),
        (JobOutcome.STOPPED, "STOPPED"),
        (JobOutcome.SUCCEEDED, "SUCCEEDED"),
        (JobOutcome.RUNNING, "RUNNING"),
        (JobOutcome.ENDED_UNKNOWN, None),
    ],
)
def test_the_engine_is_told_what_is_proven(outcome: JobOutcome, status: str | None) -> None:
    assert choose_status(row(outcome=outcome, status="SUCCEEDED")) == status


async def test_a_history_that_does_not_answer() -> None:
    async def kept_log(row: JobRow) -> str | None:
        raise Unavailable("The store is down.")

    made = EvidenceGatherer(FakeEvidence(fail={"piece_of": NotFound("no")}), lambda node_id: None, kept_log)
    found = await made.gather(DiagnosisSubject(row(), facts()))
    assert found.unavailable == (
        "The driver's log: its node does not have it any more; the history: The store is down; nothing of it was kept.",
    )


async def test_a_job_with_nothing_at_all() -> None:
    derived = row(type=JobType.NODE, submission_id=None, derived=True)
    made = EvidenceGatherer(FakeEvidence(), lambda node_id: None, nothing_kept)
    found = await made.gather(DiagnosisSubject(derived))
    assert (await texts(found), found.unavailable) == ([], ())


async def test_the_tables_are_asked_of_this_job_alone() -> None:
    ray = FakeEvidence(files={LOG: b""})
    found = await gathered(ray)
    mine = {"job_id": "02000000"}
    assert [(name, argument) for name, argument in ray.asked if isinstance(argument, dict)] == [
        ("actors", {**mine, "state": "DEAD"}),
        ("actors", {**mine, "state": "PENDING_CREATION"}),
        ("tasks", {**mine, "state": "FAILED"}),
        ("tasks", {**mine, "state": "PENDING_NODE_ASSIGNMENT"}),
        ("placement_groups", {"creator_job_id": "02000000"}),
        *(
            ("workers", {"worker_type": "WORKER", "exit_type": how})
            for how in ("SYSTEM_ERROR", "USER_ERROR", "NODE_OUT_OF_MEMORY")
        ),
        # There is nothing of it: has Ray forgotten it?
        ("tasks", mine),
        # Nothing is known of the nodes: where it was may matter.
        ("tasks", {**mine, "state": "FINISHED"}),
    ]
    assert found.fields.own == Belongings(
        ids=frozenset({"02000000"}),
        nodes=frozenset({"n1"}),
        started_at=STARTED,
        gaps=("Ray has no task, actor or placement group of it, or has none any more",),
    )


@pytest.mark.parametrize(
    ("tables", "fail", "gaps"),
    [
        ({"tasks": [{"job_id": "02000000", "state": "FINISHED"}]}, {}, ()),
        ({"placement_groups": [{"creator_job_id": "02000000"}]}, {}, ()),
        ({}, {"actors": Unavailable("actors?")}, ("The actor table: actors?",)),
        ({}, {"placement_groups": Unavailable("Not now.")}, ("The table of placement groups: Not now",)),
        (
            {"tasks": [{"job_id": "02000000", "state": "FAILED", "task_id": str(n)} for n in range(501)]},
            {},
            ("The task table has more than the 500 rows that were asked for",),
        ),
        # Other jobs' workers are in that table, too: what it lacks says nothing of this one.
        ({"tasks": [{"job_id": "02000000", "state": "FINISHED"}]}, {"workers": Unavailable("workers?")}, ()),
    ],
)
async def test_why_something_of_the_job_may_be_missing(
    tables: dict[str, Any], fail: dict[str, Any], gaps: tuple[str, ...]
) -> None:
    found = await gathered(FakeEvidence(files={LOG: b""}, tables=tables, fail=fail))
    assert found.fields.own is not None
    assert found.fields.own.gaps == gaps


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        (
            "Failed to startup worker after retrying 5 times. Look at the raylet.err on node ab12ab12ab12.",
            ["ab12ab12ab12"],
        ),
        ("because worker startup repeatedly failed", ["n1"]),
        ("plain", []),
    ],
)
async def test_what_the_start_of_a_process_wrote(message: str, wanted: list[str]) -> None:
    asked: list[str] = []

    def agent_of(node_id: str) -> str | None:
        asked.append(node_id)
        return AGENT

    files = {LOG: b"", "raylet.err": b"bash: line 1: /opt/none/bin/python: No such file or directory\n"}
    made = EvidenceGatherer(FakeEvidence(files=files), agent_of, nothing_kept, clock=lambda: 0.0)
    found = await made.gather(DiagnosisSubject(submission(), facts(message=message)))
    assert [name for name, kind, _ in await texts(found) if kind == "system"] == ["raylet.err"] * len(wanted)
    # The node that the message names; the log of a raylet is looked at for another reason.
    assert asked[-1:] == wanted


async def test_a_job_that_never_joined_ray_is_known_by_its_python() -> None:
    runtime_env = {"py_executable": "/opt/none/bin/python"}
    ray = FakeEvidence({"message": "worker startup repeatedly failed", "runtime_env": runtime_env})
    found = await gathered(ray, DiagnosisSubject(row(started_at=STARTED), facts()))
    assert found.fields.own == Belongings(pythons=frozenset({"/opt/none/bin/python"}), started_at=STARTED)


@pytest.mark.parametrize(
    ("outcome", "runtime_env", "nodes"),
    [
        (JobOutcome.PENDING, {"py_executable": "/opt/none/bin/python"}, ["n1", "n3"]),
        (JobOutcome.PENDING, {"pip": ["x"]}, []),
        (JobOutcome.FAILED, {"py_executable": "/opt/none/bin/python"}, []),
    ],
)
async def test_what_may_never_start_is_looked_for_while_it_waits(
    outcome: JobOutcome, runtime_env: dict[str, Any], nodes: list[str]
) -> None:
    asked: list[str] = []

    def agent_of(node_id: str) -> str | None:
        asked.append(node_id)
        return AGENT

    known = [NodeFacts(id, "ip", False, state, None, None, None, {}, {}) for id, state in (
        ("n1", "ALIVE"), ("n2", "DEAD"), ("n3", "ALIVE"))]  # fmt: skip
    ray = FakeEvidence({"runtime_env": runtime_env}, {"raylet.err": b"bash: line 1: /opt/none/bin/python: not found\n"})
    made = EvidenceGatherer(ray, agent_of, nothing_kept, clock=lambda: 0.0)
    waiting = row(outcome=outcome, node_id=None, started_at=STARTED)
    found = await made.gather(DiagnosisSubject(waiting, facts(message=None), nodes=tuple(known)))
    assert ([name for name, _, _ in await texts(found)], asked) == (["raylet.err"] * len(nodes), nodes)


@pytest.mark.parametrize(
    ("states", "rows", "nodes", "gaps"),
    [
        (["ALIVE", "ALIVE"], 1, {"n1"}, ("where its tasks ran that did well is not known",)),
        (["ALIVE", "DEAD"], 1, {"n1", "n5"}, ()),
        (["ALIVE", "DEAD"], 500, {"n1"}, ("where its tasks ran that did well is not known",)),
    ],
)
async def test_once_a_node_is_dead_it_is_asked_where_the_job_was(
    states: list[str], rows: int, nodes: set[str], gaps: tuple[str, ...]
) -> None:
    done = [{"job_id": "02000000", "state": "FINISHED", "task_id": str(n), "node_id": "n5"} for n in range(rows)]
    known = tuple(NodeFacts(f"n{7 + n}", "", False, each, None, None, None, {}, {}) for n, each in enumerate(states))
    ray = FakeEvidence(files={LOG: b""}, tables={"tasks": done})
    found = await gathered(ray, DiagnosisSubject(submission(), facts(), nodes=known))
    assert found.fields.own is not None
    assert (found.fields.own.nodes, found.fields.own.node_gaps) == (nodes, gaps)


async def test_of_a_submission_of_several_drivers_nothing_is_ruled_out() -> None:
    ray = FakeEvidence(files={LOG: b""}, tables={"tasks": [{"job_id": "02000000", "state": "FINISHED"}]})
    found = await gathered(ray, DiagnosisSubject(submission(), facts(), other_drivers=("01000000",)))
    assert found.fields.own is not None
    assert found.fields.own.gaps == ("its submission had 2 drivers, and only the tasks of the last were asked for",)


BEFORE = b"Running entrypoint for job j: run\nModuleNotFoundError: No module named 'fastshard'\n"
THIS = b"Running entrypoint for job j: run\nit said CANARY-04\n"
QUOTED = "failed with exit code 3, last available logs (truncated to 20,000 chars):\n"
ENV = {"env_vars": {"X_U": "CANARY-04"}}


async def test_evidence_is_of_this_run_alone() -> None:
    """The log and Ray's message both hold what a run before, with the same id, wrote."""
    message = QUOTED + (BEFORE + THIS).decode()
    ray = FakeEvidence({"driver_agent_http_address": AGENT, "message": message}, {LOG: BEFORE + THIS})
    found = await gathered(ray, DiagnosisSubject(row(), facts()))
    assert found.fields.message == QUOTED + THIS.decode()
    assert await texts(found) == [(f"{LOG} from byte {len(BEFORE)}", "driver", THIS.decode())]


async def test_values_of_its_environment_are_in_no_evidence() -> None:
    tables = {
        "tasks": [
            {
                "job_id": "02000000",
                "state": "FAILED",
                "task_id": "t1",
                "end_time_ms": 1,
                "error_message": "no CANARY-04",
            }
        ]
    }
    raw = {"driver_agent_http_address": AGENT, "message": QUOTED + THIS.decode(), "runtime_env": ENV}
    found = await gathered(FakeEvidence(raw, {LOG: THIS}, tables), DiagnosisSubject(submission(), facts()))
    assert found.fields.message == QUOTED + THIS.decode().replace("CANARY-04", "[redacted]")
    assert await texts(found) == [
        (LOG, "driver", THIS.decode().replace("CANARY-04", "[redacted]")),
        ("task t1", "ray", "no [redacted]"),
    ]


async def test_where_ray_has_another_run_by_now_the_kept_end_is_read() -> None:
    raw = {"driver_agent_http_address": AGENT, "message": "of another", "start_time": 7, "status": "RUNNING"}
    found = await gathered(
        FakeEvidence(raw, {LOG: b"of another\n"}),
        DiagnosisSubject(submission(job_id=None), facts(message="its own")),
        kept="its end",
    )
    assert found.fields.message == "its own"
    assert await texts(found) == [("kept end of the driver's log", "driver", "its end")]
    assert found.unavailable == (
        "Ray's row of the job: by now it is that of a later run with its id.",
        "The driver's log: no node is known that has it; only its last lines were kept.",
    )
