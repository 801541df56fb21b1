"""`/jobs`, `/jobs/current`, `/jobs/{id}`: a job in lists, and one with all that is known of it."""

from __future__ import annotations

from typing import Annotated, NotRequired

from typing_extensions import TypedDict

from organs.fields import Time, allow_words, closed, describe, describe_time
from serve_app.schemas.cluster import ActorView
from serve_app.schemas.common import Amounts, ObservedAnswer, OutcomeWord, PagedAnswer, VerdictWord
from serve_app.schemas.diagnosis import DiagnosisView, MadeDiagnosis
from serve_app.schemas.motion import MotionView

JobTypeWord = Annotated[str, allow_words("SUBMISSION", "DRIVER", "NODE")]


@closed
class JobView(TypedDict):
    """A job, as in lists."""

    id: Annotated[str, describe("The submission id, or the job id of a driver.", "nightly-report-1")]
    job_id: Annotated[str | None, describe("Ray's job id; null before its driver has connected.", "01000000")]
    submission_id: Annotated[str | None, describe("Ray's submission id; null: not submitted.", "nightly-report-1")]
    type: Annotated[JobTypeWord, describe("Submitted, a driver alone, or made from the node table.", "SUBMISSION")]
    kind: Annotated[str, describe("What the job is for; says what is normal for it.", "user")]
    entrypoint: Annotated[str, describe("Its command, redacted.", "python -m reports.nightly")]
    status: Annotated[str, describe("Ray's word for it.", "SUCCEEDED")]
    error_type: Annotated[
        str | None, describe("Ray's word for how it failed; null: it has none.", "JOB_ENTRYPOINT_COMMAND_ERROR")
    ]
    exit_code: Annotated[
        int | None,
        describe("Of its command; negative: the signal; null: Ray does not tell, as of a driver.", 1, unit="exit code"),
    ]
    outcome: Annotated[OutcomeWord, describe("What really happened, as far as it is proven.", "succeeded")]
    verdict: Annotated[VerdictWord, describe("Whether that is what was expected.", "OK")]
    reason: Annotated[str, describe("The verdict in a sentence.", "It succeeded.")]
    rule: Annotated[str, describe("The rule that gave the verdict.", "succeeded")]
    scheduled_by: Annotated[str, describe("Who starts such jobs.", "a user")]
    managed_by: Annotated[str, describe("What keeps it going or ends it.", "Ray Jobs API")]
    started_at: Annotated[Time | None, describe_time("When it began; null: not known.")]
    ended_at: Annotated[Time | None, describe_time("When it ended; null: it has not, or that is not known.")]
    duration_s: Annotated[float | None, describe("From its begin to its end, or to now.", 12.5, unit="s")]
    node_id: Annotated[
        str | None, describe("The node of its driver.", "6b7f0d1c2a3e4f5061728394a5b6c7d8e9f00112233445")
    ]
    metadata: Annotated[dict[str, str], describe("Texts kept with the job, redacted.", {"team": "reports"})]
    derived: Annotated[bool, describe("Made from another table than Ray's list of jobs.", False)]
    hidden: Annotated[bool, describe("Ray's own lists hide it.", False)]
    session: Annotated[str, describe("The life of the cluster that it belongs to.", "session_2026-01-31_11-58-02_1_7")]
    owner: Annotated[str | None, describe("Who answers for it, if anybody was named.", "data-team")]
    action: Annotated[str, describe("What to do about it.", "Nothing to do.")]
    code: Annotated[
        str | None,
        describe("Why it failed, as its diagnosis says, or why it stands still; null: none yet.", "app.import-error"),
    ]
    quiet_since: Annotated[
        Time | None, describe_time("Since when a running job shows no sign of life; null: it does, or is not known.")
    ]


@closed
class JobPage(PagedAnswer):
    """Jobs, the newest first."""

    items: Annotated[list[JobView], describe("The jobs of this page.")]


@closed
class CurrentJobAnswer(JobView, ObservedAnswer):
    """The job that this application runs in."""


@closed
class EvidenceView(TypedDict):
    """One fact that kind, outcome or verdict rests on."""

    rule: Annotated[str, describe("The rule that used the fact.", "exit-code-0")]
    source: Annotated[str, describe("The table or list that told it.", "job list")]
    fact: Annotated[str, describe("What it told.", "status SUCCEEDED, exit code 0")]


@closed
class KeptContent(TypedDict):
    """What the history keeps of a job beside its columns. Not published by itself."""

    row: Annotated[JobView, describe("The job, as in lists.")]
    evidence: Annotated[list[EvidenceView], describe("What kind, outcome and verdict rest on, in that order.")]


@closed
class KeptRow(TypedDict):
    """A job in a page of the history. Not published by itself."""

    key: Annotated[str, describe("Its session and its id.", "session_2026-01-31_11-58-02_1_7/nightly-report-1")]
    started_us: Annotated[int, describe("Since 1970; -1: not known.", 1769860800000000, unit="us")]
    name: Annotated[str, describe("Its place among those that began at the same time.", "nightly-report-1")]
    row: Annotated[JobView, describe("The job, as in lists.")]
    circled: NotRequired[Annotated[bool, describe("Whether its evidence has what went in circles.", False)]]


@closed
class Transition(TypedDict):
    """A change of the judgement on a job. Not published by itself."""

    at: Annotated[Time, describe_time("When.")]
    status: Annotated[str, describe("Ray's word for it then.", "FAILED")]
    outcome: Annotated[str, describe("What had become of it.", "failed")]
    verdict: Annotated[str, describe("Whether that was expected.", "BAD")]
    rule: Annotated[str, describe("The rule that gave the verdict.", "failed")]
    reason: Annotated[str, describe("The verdict in a sentence.", "It failed with exit code 1.")]


@closed
class KeptJob(KeptContent):
    """A job of the history, whole. Not published by itself."""

    key: Annotated[str, describe("Its session and its id.", "session_2026-01-31_11-58-02_1_7/nightly-report-1")]
    diagnosis: Annotated[MadeDiagnosis | None, describe("Why it failed, if a diagnosis was kept.")]
    log_excerpt: Annotated[str | None, describe("What was kept of the end of its log.", "done\n")]
    first_seen_at: Annotated[Time, describe_time("When it was written first.")]
    updated_at: Annotated[Time, describe_time("When it was written last.")]
    transitions: Annotated[list[Transition], describe("How the judgement of it changed, oldest first.")]


@closed
class ExpectationView(TypedDict):
    """What is expected of a kind of job, and what that means for this one."""

    purpose: Annotated[str, describe("What such jobs are for.", "Work that a user wants done.")]
    must_end: Annotated[bool | None, describe("Whether it has to end by itself; null: not known.", True)]
    usual_duration_s: Annotated[
        list[float] | None, describe("From and to: how long such jobs take.", [5.0, 30.0], unit="s")
    ]
    limit_s: Annotated[float | None, describe("Longer is late.", 60.0, unit="s")]
    deadline_s: Annotated[float | None, describe("Longer is wrong.", 3600.0, unit="s")]
    every_s: Annotated[float | None, describe("A success is due at least this often.", 86400.0, unit="s")]
    allowed_failures: Annotated[int, describe("So many in a row are no reason to act.", 0, unit="failures")]
    owner: Annotated[str | None, describe("Who answers for such jobs.", "data-team")]
    meaning: Annotated[str, describe("What the outcome means for such a job.", "The work was done.")]
    action: Annotated[str, describe("What to do about it.", "Nothing to do.")]


@closed
class DriverView(TypedDict):
    """The driver process, as far as Ray tells."""

    job_id: Annotated[str | None, describe("Its job id.", "01000000")]
    pid: Annotated[int | None, describe("Its process.", 4711, unit="process id")]
    node_ip: Annotated[str | None, describe("The address of its node.", "192.0.2.1")]
    node_id: Annotated[str | None, describe("Its node.", "6b7f0d1c2a3e4f5061728394a5b6c7d8e9f00112233445")]
    alive: Annotated[bool | None, describe("Whether it lives, by Ray's worker table.", False)]
    exit_type: Annotated[str | None, describe("How it ended, in Ray's words.", "INTENDED_USER_EXIT")]
    exit_detail: Annotated[str | None, describe("Ray's sentence about its end, redacted.", "Owner's worker exited.")]
    exception_frames: Annotated[
        str | None, describe("Where its uncaught exception was, redacted.", '  File "report.py", line 7, in main')
    ]


@closed
class DriverRunView(DriverView):
    """One driver that the entrypoint of a submission connected: a loop of a shell has one for each attempt."""

    entrypoint: Annotated[str, describe("Its own command, redacted.", "python report.py")]
    started_at: Annotated[Time | None, describe_time("When it connected; null: not known.")]
    ended_at: Annotated[Time | None, describe_time("When it left; null: it has not, or that is not known.")]
    by_exception: Annotated[
        bool | None, describe("Whether an uncaught exception ended it; null: Ray does not tell.", False)
    ]


@closed
class TimelineEvent(TypedDict):
    """Something that is known to have happened to a job."""

    at: Annotated[Time, describe_time("When.")]
    event: Annotated[str, describe("What.", "submitted")]
    source: Annotated[str, describe("Who told it.", "job list")]


@closed
class ActorsOfJob(TypedDict):
    """The actors of a job, the living first, at most 100."""

    items: Annotated[list[ActorView], describe("The actors.")]
    total: Annotated[int, describe("How many there are.", 3, unit="actors")]
    truncated: Annotated[bool, describe("Whether not all are here.", False)]


@closed
class TasksByName(TypedDict):
    """Tasks of one function or method."""

    name: Annotated[str, describe("The function, or class and method.", "clean")]
    type: Annotated[str | None, describe("Ray's word for what it is.", "NORMAL_TASK")]
    states: Annotated[dict[str, int], describe("How many by Ray's state.", {"FINISHED": 40}, unit="tasks")]


@closed
class TasksOfJob(TypedDict):
    """The tasks of a job, as far as Ray remembers; names by frequency, at most 50."""

    total: Annotated[int, describe("How many there are.", 42, unit="tasks")]
    by_state: Annotated[dict[str, int], describe("How many by Ray's state.", {"FINISHED": 42}, unit="tasks")]
    by_name: Annotated[list[TasksByName], describe("By function or method.")]
    truncated: Annotated[bool, describe("Whether not all names are here.", False)]


@closed
class HoldsOfJob(TypedDict):
    """What a running job holds now."""

    resources: Annotated[
        Amounts,
        describe(
            "Ray's logical resources: of tasks that run, actors that live, placement groups, and its entrypoint.",
            {"CPU": 4.0, "GPU": 1.0},
            unit="units of the resource",
        ),
    ]
    actors: Annotated[int, describe("Its actors that live.", 2, unit="actors")]
    processes: Annotated[
        int | None, describe("Its driver and workers, on all nodes; null: not measured.", 3, unit="processes")
    ]
    memory_bytes: Annotated[
        int | None, describe("Resident memory of these processes; null: not measured.", 734003200, unit="B")
    ]
    as_of: Annotated[Time, describe_time("When Ray told it.")]


@closed
class UnfinishedView(TypedDict):
    """A task that has not ended, or an actor that is not dead."""

    what: Annotated[Annotated[str, allow_words("task", "actor")], describe("Which of the two it is.", "task")]
    name: Annotated[str, describe("Its name, redacted.", "clean")]
    id: Annotated[str, describe("Ray's id of it.", "c8ef45ccd0112571ffffffffffffffffffffffff01000000")]
    type: Annotated[str, describe("Ray's word for the kind of task, or the class of the actor.", "NORMAL_TASK")]
    state: Annotated[str, describe("Ray's word for how it is.", "PENDING_NODE_ASSIGNMENT")]
    since: Annotated[Time | None, describe_time("Since when it is so; null: not told, as of an actor.")]
    pid: Annotated[int | None, describe("Its process; null: none yet.", 4711, unit="process id")]
    node_id: Annotated[
        str | None, describe("Its node; null: none yet.", "6b7f0d1c2a3e4f5061728394a5b6c7d8e9f00112233445")
    ]


@closed
class UnfinishedOfJob(TypedDict):
    """What of a running job has not ended: tasks, those that run first, then actors; at most 100."""

    items: Annotated[list[UnfinishedView], describe("The tasks and actors.")]
    total: Annotated[int, describe("How many there are.", 3, unit="tasks and actors")]
    truncated: Annotated[bool, describe("Whether not all are here.", False)]
    as_of: Annotated[Time, describe_time("When Ray told it.")]


@closed
class WorkOfJob(TypedDict):
    """What a job holds, and what of it is unfinished."""

    holds: Annotated[HoldsOfJob | None, describe("What it holds now; null: `holds_reason` says why.")]
    holds_reason: Annotated[str | None, describe("Why that is not here.", "It has ended.")]
    unfinished: Annotated[UnfinishedOfJob | None, describe("What of it has not ended; null: `unfinished_reason`.")]
    unfinished_reason: Annotated[str | None, describe("Why that is not here.", "It has ended.")]


@closed
class JobAnswer(JobView, WorkOfJob, ObservedAnswer):
    """One job with all that is known of it, of this session or an earlier one."""

    motion: Annotated[
        MotionView | None, describe("Whether it moves; null: it does not run, is a service, or was not looked at yet.")
    ]
    diagnosis: Annotated[DiagnosisView | None, describe("Why it failed, if a diagnosis was made.")]
    expectation: Annotated[ExpectationView, describe("What was expected of it.")]
    evidence: Annotated[list[EvidenceView], describe("What kind, outcome and verdict rest on, in that order.")]
    driver: Annotated[DriverView | None, describe("Its driver; null of an earlier session.")]
    drivers: Annotated[
        list[DriverRunView],
        describe("Of a submission: every driver that its entrypoint connected, the last 100, in their order."),
    ]
    message: Annotated[str | None, describe("Ray's sentence about it, redacted.", "Job finished successfully.")]
    timeline: Annotated[list[TimelineEvent], describe("What is known to have happened, oldest first.")]
    actors: Annotated[ActorsOfJob | None, describe("Its actors; null: `actors_reason` says why.")]
    actors_reason: Annotated[str | None, describe("Why its actors are not here.", "Ray did not answer in time.")]
    tasks: Annotated[TasksOfJob | None, describe("Its tasks; null: `tasks_reason` says why.")]
    tasks_reason: Annotated[
        str | None, describe("Why its tasks are not here.", "It never connected to Ray, so it has no tasks.")
    ]
    log_excerpt: Annotated[
        str | None, describe("What was kept of the end of its log; null of a job of this session.", "done\n")
    ]
