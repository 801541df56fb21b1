"""A line that Ray writes into the log of every driver: what it proves for the job that caused it, and for one that only
heard of it. Jobs that ran beside each other on a real cluster (``recorded``), diagnosed here and from their logs alone.
"""

# ruff: noqa: E501 (lines of logs, as long as they are)

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from serve_app.cluster.dashboard import Listing
from serve_app.jobs.diagnosis.evidence.gather import DiagnosisSubject
from serve_app.jobs.diagnosis.models import Diagnosis
from serve_app.jobs.models import JobFacts, JobType, NodeFacts
from serve_app.outcomes import JobOutcome
from tests.unit.jobs.diagnosis.recorded import Recorded, diagnose_file, diagnose_here, load

EVERY = "Ray writes this line into the log of every driver"
INFEASIBLE = "No node, present or possible, can ever fit the request, so it waits for ever."
UNTOLD = f"{INFEASIBLE} Whether it is this job's cannot be told: {EVERY}, and "


def told(found: Diagnosis) -> tuple[str | None, str | None, str]:
    return found.code, found.certainty, found.sentence


def refused(found: Diagnosis, code: str) -> str:
    return next(each.why_not for each in found.candidates if each.code == code)


HERE = [
    # Who asked, and was stopped: what it waited for stays beside that.
    ("asks", "app.stopped", "certain",
     f"The job was stopped by a request or by a signal. Until then it waited in vain: {INFEASIBLE}"),
    ("hears", "app.get-timeout", "likely", "A result was not ready in time: a symptom of what its producer waits for."),
    ("asksgroup", "scheduling.infeasible", "certain", INFEASIBLE),
    ("hearsgroup", "app.get-timeout", "likely",
     "A result was not ready in time: a symptom of what its producer waits for."),
    ("eats", "memory.node-oom", "certain",
     "The job was stopped by a request or by a signal. Until then it went in circles: Task shard was killed for memory "
     "4 times and was retried without limit; the biggest: ray::shard 1.86 GB (its node: 3.33 of 23.54 GB used)."),
    ("sits", "app.task-exception", "certain", "A remote task or a method of an actor raised an exception."),
    ("eatsonce", "memory.node-oom", "certain",
     "Ray killed shard (2.00 GB) because its node ran out of memory; the biggest: ray::shard 2.00 GB (its node: 3.28 of "
     "23.54 GB used)."),
    ("uv-1", "env.invalid", "certain",
     "Its Python cannot be started: /opt/none/bin/python: No such file or directory."),
    ("uv-3", "env.invalid", "certain",
     "Its Python cannot be started: /opt/none/bin/python: No such file or directory."),
    ("uv-4", "env.invalid", "certain",
     "Its Python cannot be started: /opt/none/bin/python: No such file or directory."),
    ("uv-ok", "app.exception", "certain", "The entrypoint raised an exception that it did not handle."),
]  # fmt: skip


@pytest.mark.parametrize(("name", "code", "certainty", "sentence"), HERE, ids=[each[0] for each in HERE])
async def test_a_job_of_this_cluster(name: str, code: str, certainty: str, sentence: str) -> None:
    assert told(await diagnose_here(load(name))) == (code, certainty, sentence)


FILES = [
    ("hears", "scheduling.infeasible", "possible",
     f"{UNTOLD}nothing else in this one shows that the job asked for 64 CPU."),
    ("asksgroup", "scheduling.infeasible", "possible",
     f"{UNTOLD}nothing else in this one shows that the job asked for 1 CPU, 2 fpga."),
    ("asks", "app.stopped", "likely", "The job was stopped by a request or by a signal."),
    ("eats", "memory.node-oom", "certain",
     "Task shard was killed for memory 4 times and was retried without limit; the biggest: ray::shard 1.86 GB (its node: "
     "3.33 of 23.54 GB used)."),
    ("sits", "app.task-exception", "certain", "A remote task or a method of an actor raised an exception."),
    ("eatsonce", "memory.node-oom", "certain",
     "Ray killed shard (2.00 GB) because its node ran out of memory; the biggest: ray::shard 2.00 GB (its node: 3.28 of "
     "23.54 GB used)."),
    ("uv-1", "env.setup-failed", "likely",
     "The processes that were to run it could not be started, again and again; most often their Python, or what it "
     "loads, is not in order."),
    ("uv-3", "env.invalid", "certain",
     "Its Python cannot be started: /opt/none/bin/python: No such file or directory."),
    ("uv-ok", "app.exception", "certain", "The entrypoint raised an exception that it did not handle."),
]  # fmt: skip


@pytest.mark.parametrize(("name", "code", "certainty", "sentence"), FILES, ids=[each[0] for each in FILES])
def test_its_log_alone(name: str, code: str, certainty: str, sentence: str) -> None:
    assert told(diagnose_file(load(name))) == (code, certainty, sentence)


@pytest.mark.parametrize(
    ("name", "code", "why"),
    [
        (
            "hears",
            "scheduling.infeasible",
            f"It does not count: {EVERY}, and nothing of this job waited in vain for 64 CPU.",
        ),
        (
            "hearsgroup",
            "scheduling.infeasible",
            f"It does not count: {EVERY}, and nothing of this job waited in vain for 1 CPU, 2 fpga.",
        ),
        (
            "sits",
            "memory.node-oom",
            f"It does not count: {EVERY}, and nothing of this job was killed for memory on that node without coming "
            "further later.",
        ),
        (
            "uv-ok",
            "env.invalid",
            f"Whether it is this job's cannot be told: {EVERY}, and whether anything of this job is to be started with "
            "that Python cannot be told: Ray has no task, actor or placement group of it, or has none any more.",
        ),
    ],
)
async def test_why_a_neighbours_line_is_not_the_answer(name: str, code: str, why: str) -> None:
    assert refused(await diagnose_here(load(name)), code) == why


async def test_who_was_killed_for_another_is_told_whose_it_is() -> None:
    """`sits` as if the second kill had been its end: it had 0.04 GB, and the other job's task the rest."""
    job = load("sits")
    tasks = [each for each in job.evidence.tables["tasks"] if each["error_type"] == "OUT_OF_MEMORY"]
    found = await diagnose_here(job, tasks=tasks)
    assert told(found) == (
        "memory.node-oom",
        "certain",
        "Ray killed calm (0.04 GB) because its node ran out of memory; the biggest: ray::shard 1.88 GB of job 06000000 "
        "(its node: 3.31 of 23.54 GB used).",
    )
    assert found.advice == (
        "Tell the owner of job 06000000: its ray::shard took 1.88 GB; calm, which was killed, had 0.04 GB.",
        "Until it takes less, keep this job off that node, or run it when the other does not run.",
    )


async def test_where_ray_has_nothing_of_the_job_it_is_only_possible() -> None:
    assert told(await diagnose_here(load("hears"), tasks=[])) == (
        "scheduling.infeasible",
        "possible",
        f"{UNTOLD}whether anything of this job waited in vain for 64 CPU cannot be told: Ray has no task, actor or placement "
        "group of it, or has none any more.",
    )


async def test_where_ray_left_rows_out_it_is_only_possible(monkeypatch: pytest.MonkeyPatch) -> None:
    job = load("hears")
    whole = job.evidence.list_rows

    async def list_rows(table: str, most_rows: int, **equals: str) -> Listing:
        answer = await whole(table, most_rows, **equals)
        return replace(answer, note="2 rows were left out") if table == "tasks" else answer

    monkeypatch.setattr(
        "tests.unit.jobs.diagnosis.fakes.FakeEvidence.list_rows", lambda self, *a, **k: list_rows(*a, **k)
    )
    found = await diagnose_here(job)
    assert (found.code, found.certainty) == ("scheduling.infeasible", "possible")
    assert found.sentence.endswith("cannot be told: The task table: 2 rows were left out.")


async def test_a_line_from_before_the_run_is_another_runs() -> None:
    """`sits`, as if it had begun two days after its log was written."""
    job = load("sits")
    assert job.subject.row.started_at is not None
    later = replace(job.subject.row, started_at=job.subject.row.started_at + timedelta(days=2))
    job.evidence.raw["start_time"] += 2 * 86_400_000
    found = await diagnose_here(Recorded(replace(job.subject, row=later), job.evidence, job.log))
    assert refused(found, "memory.node-oom") == (f"It does not count: {EVERY}, and wrote it before this run began.")


async def test_a_job_that_runs_in_circles_is_named_by_its_attempts() -> None:
    job = load("eats")
    running = replace(job.subject.row, outcome=JobOutcome.RUNNING, status="RUNNING", ended_at=None)
    tasks = [each for each in job.evidence.tables["tasks"] if each["error_type"] == "OUT_OF_MEMORY"]
    found = await diagnose_here(
        Recorded(replace(job.subject, row=running, driver=None), job.evidence, job.log), tasks=tasks
    )
    assert (found.code, found.certainty, found.rule) == ("memory.node-oom", "certain", "attempts")
    assert found.title == "a node that ran out of memory: ray::shard took 1.86 GB"
    assert [(each.source, each.quote) for each in found.evidence][:1] == [
        ("task 27f6f3288e9187a5ffffffffffffffffffffffff06000000", "shard: OUT_OF_MEMORY in 4 attempts")
    ]


async def test_what_a_stop_leaves_beside_it() -> None:
    found = await diagnose_here(load("eats"))
    assert [(step.code, step.sentence[:45]) for step in found.chain] == [
        ("app.stopped", "The job was stopped by a request or by a sign"),
        ("memory.node-oom", "Task shard was killed for memory 4 times and "),
    ]
    assert (found.code, found.candidates) == ("memory.node-oom", ())
    assert found.advice == (
        "Let ray::shard hold less, read in pieces or be split: it alone took 1.86 GB, so fewer at a time does not help.",
        "Or give it a node with more memory, and ask for it: `memory=1860000000` or more.",
        "`RAY_memory_usage_threshold` moves the limit of Ray's monitor; `max_retries=0` ends what goes in circles.",
    )


@pytest.mark.parametrize(
    ("python", "code", "certainty"),
    [
        ("/opt/none/bin/python", "env.invalid", "certain"),
        # Its own Python is slow, and a neighbour's is not there: nothing certain, so that nothing is said of it.
        ("/opt/slow/bin/python", "unknown", None),
    ],
)
async def test_a_job_that_waits_for_a_python(python: str, code: str | None, certainty: str | None) -> None:
    job = load("uv-1")
    waiting = replace(job.subject.row, outcome=JobOutcome.PENDING, status="PENDING", ended_at=None)
    evidence = replace(
        job.evidence,
        raw={"runtime_env": {"py_executable": python}},
        files={"raylet.err": job.evidence.files["raylet.err"]},
    )
    node = NodeFacts("n1", "ip", True, "ALIVE", None, None, None, {}, {})
    subject = DiagnosisSubject(waiting, JobFacts("uv-1", JobType.SUBMISSION, "PENDING"), nodes=(node,))
    found = await diagnose_here(Recorded(subject, evidence, b""))
    assert (found.code, found.certainty) == (code, certainty)
