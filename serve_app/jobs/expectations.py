"""What is normal: the guide's table of job kinds, as data. Durations are seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from serve_app.jobs.kinds import (
    APPLICATION_SERVER,
    CLUSTER_INITIALIZATION,
    COA_INITIALIZATION,
    INTERNAL,
    OBSERVER,
    OBSERVER_LIMIT_S,
    USER,
)
from serve_app.jobs.models import JobFacts, JobType, Outcome

PENDING_LIMIT_S = 60.0
EXPECTED_DURATION_KEY = "seedcore.expected_duration_s"
SCHEDULED_BY_KEY = "seedcore.scheduled_by"
MANAGED_BY_KEY = "seedcore.managed_by"
_LONGEST_S = 366 * 86_400.0

NOTHING = "Nothing to do."
_READ_THE_LOG = "Read its log, mend the cause, run it again."


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an outcome means for this kind of job, and what to do."""

    sentence: str
    action: str = NOTHING


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is expected of a kind of job. ``must_end`` None: not known, so neither running nor ending is wrong."""

    kind: str
    purpose: str
    scheduled_by: str
    managed_by: str
    must_end: bool | None
    usual_duration_s: tuple[float, float] | None
    limit_s: float | None
    meanings: Mapping[Outcome, Meaning]


EXPECTATIONS: Mapping[str, Expectation] = {
    each.kind: each
    for each in (
        Expectation(
            CLUSTER_INITIALIZATION,
            "Starts the head of the cluster; no Ray job, made from the node table.",
            "whoever ran `ray start --head`",
            "Ray head node",
            True,
            (5, 30),
            None,
            {
                Outcome.SUCCEEDED: Meaning("The head is up."),
                Outcome.LOST: Meaning("The head node died.", "Start the head again, then deploy."),
            },
        ),
        Expectation(
            APPLICATION_SERVER,
            "Runs Ray Serve and the applications in it.",
            "serve deploy (REST)",
            "Ray Serve controller",
            False,
            None,
            None,
            {
                Outcome.RUNNING: Meaning("It serves, as it should until it is shut down."),
                Outcome.PENDING: Meaning("It has not started to serve.", "Look at the cluster's free resources."),
                Outcome.STOPPED: Meaning("It was stopped on request.", "Deploy again if that was not meant."),
                Outcome.SUCCEEDED: Meaning("A server should not end.", "Deploy again; look for who ended it."),
                Outcome.FAILED: Meaning("The server failed.", "Read the Serve logs on its node, then deploy again."),
                Outcome.ENDED_UNKNOWN: Meaning("The server ended.", "Deploy again; look for who ended it."),
                Outcome.LOST: Meaning("The server was lost with its node.", "Bring the node back, then deploy again."),
            },
        ),
        Expectation(
            COA_INITIALIZATION,
            "Reaches and checks every organ and agent.",
            "OrganismManager",
            "OrganismManager",
            True,
            (10, 60),
            60.0,
            {
                Outcome.SUCCEEDED: Meaning("The organism is initialized."),
                Outcome.RUNNING: Meaning("It checks the organs.", "If it is late: see what /organism/status lacks."),
                Outcome.PENDING: Meaning("It waits to start.", "If it is late: look at the cluster's free resources."),
                Outcome.FAILED: Meaning("It did not initialize.", "Read its log; then POST /organism/initialize."),
                Outcome.STOPPED: Meaning("It was stopped before it was done.", "POST /organism/initialize."),
                Outcome.ENDED_UNKNOWN: Meaning("Whether it was done is not known.", "See /organism/status."),
                Outcome.LOST: Meaning("It was lost with its node.", "POST /organism/initialize."),
            },
        ),
        Expectation(
            USER,
            "Someone's own work.",
            "whoever started it",
            "its own process",
            None,
            None,
            None,
            {
                Outcome.SUCCEEDED: Meaning("It ended as it should."),
                Outcome.RUNNING: Meaning("It runs; Ray does not tell whether it gets on."),
                Outcome.PENDING: Meaning("It waits to start.", "If it lasts: look at the cluster's free resources."),
                Outcome.FAILED: Meaning("It failed.", _READ_THE_LOG),
                Outcome.STOPPED: Meaning("It was stopped on request."),
                Outcome.ENDED_UNKNOWN: Meaning(
                    "It ended, and Ray cannot tell how well.",
                    "Ask whoever started it; submit it as a Ray job (`ray job submit`) to have its exit code kept.",
                ),
                Outcome.LOST: Meaning("It was lost with its node.", "Run it again once there is a node for it."),
            },
        ),
        Expectation(
            OBSERVER,
            "A short look at the cluster; nothing depends on it.",
            "whoever connected a Ray client",
            "Ray client server",
            True,
            (0, OBSERVER_LIMIT_S),
            OBSERVER_LIMIT_S,
            {
                Outcome.RUNNING: Meaning("Someone is looking."),
                Outcome.ENDED_UNKNOWN: Meaning("Someone has looked. Looking this way makes a job each time."),
                Outcome.FAILED: Meaning("Someone's look was cut off."),
                Outcome.LOST: Meaning("Someone's look ended with the node."),
            },
        ),
        Expectation(
            INTERNAL,
            "Ray's own, hidden from its job list; it holds the supervisors of submitted jobs.",
            "Ray",
            "Ray dashboard agent",
            False,
            None,
            None,
            {
                Outcome.RUNNING: Meaning("It runs while the node does."),
                Outcome.ENDED_UNKNOWN: Meaning("It ended; Ray starts another when one is needed."),
                Outcome.FAILED: Meaning("It died; Ray starts another.", "If jobs fail to start: look at the node."),
                Outcome.LOST: Meaning("It was lost with its node."),
            },
        ),
    )
}


def expectation_of(kind: str) -> Expectation:
    """What is expected of a kind; a kind that only its metadata names is someone's own work."""
    return EXPECTATIONS.get(kind, EXPECTATIONS[USER])


def limit_of(job: JobFacts, expectation: Expectation) -> float | None:
    """Seconds after which a running job is late: what its metadata declares, else what its kind has."""
    try:
        declared = float(job.metadata.get(EXPECTED_DURATION_KEY, ""))
    except ValueError:
        return expectation.limit_s
    return declared if 0 < declared <= _LONGEST_S else expectation.limit_s


def scheduler_of(job: JobFacts, expectation: Expectation) -> str:
    """Who scheduled it, by its metadata, its type, or its kind."""
    if declared := job.metadata.get(SCHEDULED_BY_KEY):
        return declared
    if expectation.kind == APPLICATION_SERVER and not job.hidden:
        return "Ray Jobs API" if job.type is JobType.SUBMISSION else "a driver script (serve run)"
    if expectation.kind == USER and job.type is JobType.SUBMISSION:
        return "Ray Jobs API"
    return expectation.scheduled_by


def manager_of(job: JobFacts, expectation: Expectation) -> str:
    """Who manages it, by its metadata, its type, or its kind."""
    if declared := job.metadata.get(MANAGED_BY_KEY):
        return declared
    if expectation.kind == USER and job.type is JobType.SUBMISSION:
        return "Ray job supervisor"
    return expectation.managed_by
