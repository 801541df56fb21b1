"""What is normal: the guide's table of job kinds, as data. Durations are seconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from serve_app.jobs.judging.kinds import (
    APPLICATION_SERVER,
    CLUSTER_INITIALIZATION,
    COA_INITIALIZATION,
    INTERNAL,
    OBSERVER,
    OBSERVER_LIMIT_S,
    USER,
    WORKER_NODE,
    KindRule,
    build_rules,
)
from serve_app.jobs.models import JobFacts, JobType
from serve_app.outcomes import JobOutcome
from serve_app.parts import MANAGER

if TYPE_CHECKING:
    # It brings pydantic, which the report command can do without.
    from serve_app.jobs.judging.kind_specs import KindSpec

PENDING_LIMIT_S = 60.0
QUIET_LIMIT_S = 600.0
# Fewer past runs than this tell nothing of what is usual.
ENOUGH_RUNS = 20
EXPECTED_DURATION_KEY = "seedcore.expected_duration_s"
DEADLINE_KEY = "seedcore.deadline_s"
OWNER_KEY = "seedcore.owner"
SCHEDULED_BY_KEY = "seedcore.scheduled_by"
MANAGED_BY_KEY = "seedcore.managed_by"
LIMIT_KEY = "seedcore.limit_s"
_LONGEST_S = 366 * 86_400.0
# As much as ``ManagerConfig.initialization_timeout_s`` may be; a test compares them.
LONGEST_INITIALIZATION_S = 3_600.0

NOTHING = "Nothing to do."
READ_THE_LOG = "Read its log, mend the cause, run it again."
# Of a driver that somebody started Ray keeps no log.
READ_THE_OUTPUT = "Read its output where it was started, mend the cause, run it again."


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an outcome means for this kind of job, and what to do."""

    sentence: str
    action: str = NOTHING


@dataclass(frozen=True, slots=True)
class ScheduledLimit:
    """Where the scheduler of a kind tells how long it has given a job: the metadata's key, and the most in seconds."""

    key: str
    longest_s: float


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is expected of a kind of job. ``must_end`` None: not known, so neither running nor ending is wrong.

    ``limit_s``: longer is late, unless ``scheduled_limit`` tells otherwise of a job; ``deadline_s``: longer is wrong;
    ``every_s``: a success is due at least this often; ``allowed_failures``: so many in a row are no reason to act.
    """

    kind: str
    purpose: str
    scheduled_by: str
    managed_by: str
    must_end: bool | None
    usual_duration_s: tuple[float, float] | None
    limit_s: float | None
    meanings: Mapping[JobOutcome, Meaning]
    deadline_s: float | None = None
    every_s: float | None = None
    allowed_failures: int = 0
    owner: str | None = None
    scheduled_limit: ScheduledLimit | None = None


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
                JobOutcome.SUCCEEDED: Meaning("The head is up."),
                JobOutcome.LOST: Meaning("The head node died.", "Start the head again, then deploy."),
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
                JobOutcome.RUNNING: Meaning("It serves, as it should until it is shut down."),
                JobOutcome.PENDING: Meaning("It has not started to serve.", "Look at the cluster's free resources."),
                JobOutcome.STOPPED: Meaning("It was stopped on request.", "Deploy again if that was not meant."),
                JobOutcome.SUCCEEDED: Meaning("A server should not end.", "Deploy again; look for who ended it."),
                JobOutcome.FAILED: Meaning("The server failed.", "Read the Serve logs on its node, then deploy again."),
                JobOutcome.CONTRADICTED: Meaning("The server ended.", "Deploy again; look for who ended it."),
                JobOutcome.ENDED_UNKNOWN: Meaning("The server ended.", "Deploy again; look for who ended it."),
                JobOutcome.LOST: Meaning(
                    "The server was lost with its node.", "Bring the node back, then deploy again."
                ),
            },
        ),
        Expectation(
            COA_INITIALIZATION,
            "Reaches and checks every organ and agent.",
            MANAGER,
            MANAGER,
            True,
            (10, 60),
            60.0,
            {
                JobOutcome.SUCCEEDED: Meaning("The organism is initialized."),
                JobOutcome.RUNNING: Meaning("It checks the organs.", "If it is late: see what /organism/status lacks."),
                JobOutcome.PENDING: Meaning(
                    "It waits to start.", "If it is late: look at the cluster's free resources."
                ),
                JobOutcome.FAILED: Meaning("It did not initialize.", "Read its log; then POST /organism/initialize."),
                JobOutcome.STOPPED: Meaning("It was stopped before it was done.", "POST /organism/initialize."),
                JobOutcome.CONTRADICTED: Meaning("Whether it was done is in doubt.", "See /organism/status."),
                JobOutcome.ENDED_UNKNOWN: Meaning("Whether it was done is not known.", "See /organism/status."),
                JobOutcome.LOST: Meaning("It was lost with its node.", "POST /organism/initialize."),
            },
            # No other kind may tell its limit so: the API takes this key, and this kind, from nobody.
            scheduled_limit=ScheduledLimit(LIMIT_KEY, LONGEST_INITIALIZATION_S),
        ),
        Expectation(
            WORKER_NODE,
            "A worker node of the cluster; no Ray job, made from the node table.",
            "whoever ran `ray start --address`, or the autoscaler",
            "Ray node (raylet)",
            False,
            None,
            None,
            {
                JobOutcome.RUNNING: Meaning("The node is up."),
                JobOutcome.STOPPED: Meaning("The node was taken out of the cluster in order."),
                JobOutcome.LOST: Meaning(
                    "The node died.", "Find out why it died; start it again if it should be there."
                ),
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
                JobOutcome.SUCCEEDED: Meaning("It ended as it should."),
                JobOutcome.RUNNING: Meaning("It runs."),
                JobOutcome.PENDING: Meaning("It waits to start.", "If it lasts: look at the cluster's free resources."),
                JobOutcome.FAILED: Meaning("It failed.", READ_THE_LOG),
                JobOutcome.STOPPED: Meaning("It was stopped on request."),
                JobOutcome.CONTRADICTED: Meaning("What is known of its end does not agree.", READ_THE_LOG),
                JobOutcome.ENDED_UNKNOWN: Meaning(
                    "It ended, and Ray cannot tell how well.",
                    "Ask whoever started it; submit it as a Ray job (`ray job submit`) to have its exit code kept.",
                ),
                JobOutcome.LOST: Meaning("It was lost with its node.", "Run it again once there is a node for it."),
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
                JobOutcome.RUNNING: Meaning("Someone is looking."),
                JobOutcome.ENDED_UNKNOWN: Meaning("Someone has looked. Looking this way makes a job each time."),
                JobOutcome.FAILED: Meaning("Someone's look was cut off."),
                JobOutcome.LOST: Meaning("Someone's look ended with the node."),
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
                JobOutcome.RUNNING: Meaning("It runs while the node does."),
                JobOutcome.ENDED_UNKNOWN: Meaning("It ended; Ray starts another when one is needed."),
                JobOutcome.FAILED: Meaning("It died; Ray starts another.", "If jobs fail to start: look at the node."),
                JobOutcome.LOST: Meaning("It was lost with its node."),
            },
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Contracts:
    """Everything declared: rules that tell kinds, what is expected of each, how long any may show no sign of life."""

    rules: tuple[KindRule, ...]
    expectations: Mapping[str, Expectation]
    quiet_limit_s: float = QUIET_LIMIT_S

    def get_expectation(self, kind: str) -> Expectation:
        """What is expected of a kind; one that only a job's metadata names is someone's own work."""
        return self.expectations.get(kind) or self.expectations[USER]


def build_contracts(specs: Iterable[KindSpec], *, quiet_limit_s: float = QUIET_LIMIT_S) -> Contracts:
    """The built-in table with what a team declares; a declared kind has the meanings of a user's job, or a server's."""
    specs, expectations = tuple(specs), dict(EXPECTATIONS)
    for spec in specs:
        model = _SERVICE if spec.must_end is False else EXPECTATIONS[USER]
        known = expectations.get(spec.name) or replace(model, kind=spec.name, purpose=f"Declared kind {spec.name}.")
        expectations[spec.name] = _change_expectation(known, spec)
    return Contracts(build_rules(specs), expectations, quiet_limit_s)


def list_ineffective(spec: KindSpec) -> list[str]:
    """What is declared and would change nothing: of a built-in kind what such jobs mean, which is not for a team to
    say, and of a service what is only asked of jobs that end.
    """
    given = {name for name in _OF_TIME if getattr(spec, name) is not None}
    given |= {"allowed_failures"} if spec.allowed_failures else set()
    service = _OF_JOBS_THAT_END if spec.must_end is False else frozenset[str]()
    return sorted(given & _NO_USE.get(spec.name, service))


_OF_TIME = ("must_end", "expected_duration_s", "deadline_s", "every_h")
_OF_JOBS_THAT_END = frozenset({"expected_duration_s", "deadline_s", "every_h", "allowed_failures"})
_NEVER = _OF_JOBS_THAT_END | {"must_end"}
_NO_USE = {
    # Entries of the node table, servers and Ray's own job: nobody starts them to have them end.
    CLUSTER_INITIALIZATION: _NEVER,
    WORKER_NODE: _NEVER,
    APPLICATION_SERVER: _NEVER,
    INTERNAL: _NEVER,
    # That these fail has a verdict of its own; how a look ended is never known as a success.
    COA_INITIALIZATION: frozenset({"must_end", "allowed_failures"}),
    OBSERVER: frozenset({"must_end", "allowed_failures", "every_h"}),
    # All work that nobody has named: that some of it succeeded tells nothing of the rest.
    USER: frozenset({"must_end", "every_h"}),
}

# A declared service is a server, but none of Ray Serve's.
_SERVICE = replace(
    EXPECTATIONS[USER],
    meanings={
        JobOutcome.RUNNING: Meaning("It serves, as it should until it is shut down."),
        JobOutcome.PENDING: Meaning("It has not started to serve.", "Look at the cluster's free resources."),
        JobOutcome.STOPPED: Meaning("It was stopped on request.", "Start it again if that was not meant."),
        JobOutcome.SUCCEEDED: Meaning("A service should not end.", "Start it again; look for who ended it."),
        JobOutcome.FAILED: Meaning("The service failed.", READ_THE_LOG),
        JobOutcome.CONTRADICTED: Meaning("The service ended.", "Start it again; look for who ended it."),
        JobOutcome.ENDED_UNKNOWN: Meaning("The service ended.", "Start it again; look for who ended it."),
        JobOutcome.LOST: Meaning("The service was lost with its node.", "Start it again once there is a node for it."),
    },
)

BUILT_IN = build_contracts(())


def get_expectation(kind: str) -> Expectation:
    """What is expected of a built-in kind; any other is someone's own work."""
    return BUILT_IN.get_expectation(kind)


def find_limit_s(job: JobFacts, expectation: Expectation) -> float | None:
    """Seconds after which a running job is late: what its metadata declares, else what whoever scheduled it gave it,
    else what its kind has.
    """
    declared, scheduled = _parse_declared_s(job, EXPECTED_DURATION_KEY), expectation.scheduled_limit
    given = None if scheduled is None else _parse_declared_s(job, scheduled.key, scheduled.longest_s)
    return declared or given or expectation.limit_s


def find_deadline_s(job: JobFacts, expectation: Expectation) -> float | None:
    """Seconds after which a job must have ended: what its metadata declares, else what its kind has."""
    return _parse_declared_s(job, DEADLINE_KEY) or expectation.deadline_s


def find_owner(job: JobFacts, expectation: Expectation) -> str | None:
    """Who answers for it, by its metadata or its kind."""
    return job.metadata.get(OWNER_KEY) or expectation.owner


def find_scheduler(job: JobFacts, expectation: Expectation) -> str:
    """Who scheduled it, by its metadata, its type, or its kind."""
    if declared := job.metadata.get(SCHEDULED_BY_KEY):
        return declared
    if expectation.kind == APPLICATION_SERVER and not job.hidden:
        return "Ray Jobs API" if job.type is JobType.SUBMISSION else "a driver script (serve run)"
    if expectation.scheduled_by == EXPECTATIONS[USER].scheduled_by and job.type is JobType.SUBMISSION:
        return "Ray Jobs API"
    return expectation.scheduled_by


def find_manager(job: JobFacts, expectation: Expectation) -> str:
    """Who manages it, by its metadata, its type, or its kind."""
    if declared := job.metadata.get(MANAGED_BY_KEY):
        return declared
    if expectation.managed_by == EXPECTATIONS[USER].managed_by and job.type is JobType.SUBMISSION:
        return "Ray job supervisor"
    return expectation.managed_by


def _change_expectation(known: Expectation, spec: KindSpec) -> Expectation:
    """Only what was given: a declared None is a value too, where there may be none."""
    names = {"owner", "must_end", "deadline_s", "allowed_failures"}
    given: dict[str, Any] = {name: getattr(spec, name) for name in names & spec.model_fields_set}
    texts = {"purpose": spec.purpose, "scheduled_by": spec.scheduled_by, "managed_by": spec.managed_by}
    given |= {name: text for name, text in texts.items() if text is not None}
    if "expected_duration_s" in spec.model_fields_set:
        # A team that says how long such jobs may take means each of them.
        given |= {"limit_s": spec.expected_duration_s, "scheduled_limit": None}
    if "every_h" in spec.model_fields_set:
        given["every_s"] = None if spec.every_h is None else spec.every_h * 3600
    return replace(known, **given)


def _parse_declared_s(job: JobFacts, key: str, longest_s: float = _LONGEST_S) -> float | None:
    try:
        declared = float(job.metadata.get(key, ""))
    except ValueError:
        return None
    return declared if 0 < declared <= longest_s else None
