"""What is wrong beyond the verdict on one job: circling, stuck, missing and overdue jobs, what was left over. Pure.

``stuck-job`` is a job that runs, or waits, longer than is normal for it, and one that does not move: either proven by
Ray's tables, or quiet for so long that somebody should be told (``motion_rules``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from serve_app.jobs.judging.expectations import NOTHING, Contracts, Expectation
from serve_app.jobs.judging.motion_rules import MOTION_RULES, STALE_AFTER, advise, describe_circle
from serve_app.jobs.judging.pending import GIVEN_UP, INFEASIBLE, SUPERVISOR_PREFIX
from serve_app.jobs.models import ActorFacts, JobRow, Known, PastRuns, Snapshot, Unknown, Verdict, find_row
from serve_app.jobs.serve_facts import HttpFacts, describe_ignored
from serve_app.outcomes import OPEN_OUTCOMES, JobOutcome
from serve_app.queries.job_names import quote_id, shorten_id

STUCK, MISSING, OVERDUE, LEFTOVER = "stuck-job", "missing-job", "past-deadline", "leftover-actors"
CIRCLING_JOB = "circling-job"
IGNORED_OPTIONS = "ignored-options"
# As many as there can be alerts, so that both tell one number.
MAX_FINDINGS = 500
# A job's actors are ended after it; what still lives a minute later was left.
_LEFT_AFTER = timedelta(seconds=60)
_STUCK_RULES = frozenset({"late", "unusually-long"})
_WAITING_RULES = frozenset({"pending-infeasible", "pending-long"})
# An environment takes minutes to build; of one that takes longer, somebody is told before Ray gives up (ten minutes).
_BUILDING_RULE, _BUILDING_LIMIT = "pending-building", timedelta(minutes=5)
_OVERDUE_RULES = frozenset({"past-deadline", "initialization-late"})
_NAMES_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong and is no single job's verdict, or that somebody should be told of.

    What it is about: the job ``subject_id`` of ``session``, or the kind, deployment or application of that name.
    ``reason`` is a fact that those have in common that are wrong for one reason.
    """

    rule: str
    subject_type: Literal["job", "kind", "deployment", "application"]
    subject_id: str
    verdict: Verdict
    sentence: str
    action: str
    session: str | None = None
    reason: str | None = None

    @property
    def subject(self) -> str:
        """What it is about, in words."""
        return name_subject(self.subject_type, self.subject_id)


@dataclass(frozen=True, slots=True)
class Unfound:
    """Of what there may be more than was found: ``rules``, and ``subjects``, by the rule, of the others."""

    rules: list[str]
    subjects: Mapping[str, list[str]]


def name_subject(type: str, id: str) -> str:
    """What a finding is about, in words."""
    return f"{type} {shorten_id(id)}"


def find_all(
    snapshot: Snapshot, rows: list[JobRow], contracts: Contracts, past: Mapping[str, PastRuns], now: datetime
) -> list[Finding]:
    """The worst first; what cannot be known for lack of a section is not found."""
    found = [
        *_find_in_jobs(rows, now),
        *_find_circling(rows),
        *_find_missing(snapshot, rows, contracts, past, now),
        *_find_leftovers(snapshot, rows, now),
    ]
    return sorted(found, key=_rank)[:MAX_FINDINGS]


def merge_findings(found: Sequence[Finding], more: Sequence[Finding]) -> list[Finding]:
    """Both, the worst first; of ``more``, which are few, none gives way."""
    return sorted([*found[: MAX_FINDINGS - len(more)], *more], key=_rank)


def find_ignored_options(snapshot: Snapshot, application: str, deployed: HttpFacts | None) -> Iterable[Finding]:
    """Where Serve has other ``http_options`` in force than the file with which this application was deployed."""
    serve = snapshot.serve
    told = describe_ignored(deployed, serve.value.http if isinstance(serve, Known) else None)
    if told is not None:
        yield Finding(
            IGNORED_OPTIONS,
            "application",
            application,
            Verdict.WARN,
            told,
            "Serve keeps the options that it was started with: write those into the file; or, where it may end the "
            "applications of others as well, `serve shutdown`, and deploy again.",
        )


def find_unknown(
    snapshot: Snapshot,
    rows: Sequence[JobRow],
    found: Sequence[Finding],
    contracts: Contracts,
    now: datetime,
    *,
    past_known: bool,
    motions_asked: bool,
) -> Unfound:
    """That a finding of these is not there is no good news: for lack of a section, of earlier runs, of a look at a job,
    or of room in the list. ``motions_asked``: something looks at running jobs.
    """
    unseen = [IGNORED_OPTIONS] if isinstance(snapshot.serve, Unknown) else []
    if isinstance(snapshot.jobs, Unknown) or len(found) >= MAX_FINDINGS:
        return Unfound([CIRCLING_JOB, STUCK, MISSING, OVERDUE, LEFTOVER, *unseen], {})
    unlooked = [row for row in rows if _is_unlooked(row, contracts, now, motions_asked=motions_asked)]
    many = len(unlooked) > MAX_FINDINGS
    rules = [
        *([CIRCLING_JOB] if many else []),
        # What is unusually long, and when the last success was, is told by earlier runs.
        *([STUCK] if many or not past_known else []),
        *([] if past_known else [MISSING]),
        *([LEFTOVER] if isinstance(snapshot.actors, Unknown) else []),
        *unseen,
    ]
    subjects = [] if many else [name_subject("job", row.id) for row in unlooked]
    # One of which it is not known whether it circles is looked at all the same.
    unsure = [name_subject("job", row.id) for row in rows if _may_circle(row)][:MAX_FINDINGS]
    circling = [*subjects, *(each for each in unsure if each not in subjects)]
    told = {CIRCLING_JOB: circling, STUCK: subjects}
    return Unfound(rules, {rule: named for rule, named in told.items() if named})


def is_looked_at(row: JobRow, expectation: Expectation) -> bool:
    """Whether it is looked at for motion: services are judged by their probe, and what Ray lists nowhere has nothing to
    be looked at.
    """
    if row.outcome is not JobOutcome.RUNNING or row.derived or row.hidden:
        return False
    return expectation.must_end is not False


def _rank(finding: Finding) -> tuple[bool, str, str]:
    return finding.verdict is not Verdict.BAD, finding.rule, finding.subject


def _is_unlooked(row: JobRow, contracts: Contracts, now: datetime, *, motions_asked: bool) -> bool:
    """Whether it is not known if a running job moves, which is so after a restart, and while rounds fail."""
    if row.motion is not None:
        return row.motion.state == "unknown"
    if not motions_asked or not is_looked_at(row, contracts.get_expectation(row.kind)):
        return False
    # A start that lies ahead is of a clock that was set back since.
    return row.started_at is None or not timedelta(0) <= now - row.started_at <= STALE_AFTER


def _may_circle(row: JobRow) -> bool:
    if row.outcome is not JobOutcome.RUNNING or row.motion is None or row.circle is not None:
        return False
    return row.motion.motion.may_circle


def _find_in_jobs(rows: Iterable[JobRow], now: datetime) -> Iterable[Finding]:
    for row in rows:
        owner = f" Tell {row.owner}." if row.owner else ""
        place = f"GET /jobs/{quote_id(row.id, row.session)}"
        waits = row.outcome is JobOutcome.PENDING
        if row.rule in _WAITING_RULES or _builds_for_long(row, now):
            action = f"{_advise_waiting(row)} See {place}/diagnosis.{owner}"
            yield _on_job(STUCK, row, row.verdict, row.reason, action, row.lacks)
        elif row.rule in _STUCK_RULES | _OVERDUE_RULES:
            rule = STUCK if row.rule in _STUCK_RULES else OVERDUE
            advice = f"See {place}; stop it, or declare more time."
            advice = f"{_advise_waiting(row)} See {place}/diagnosis." if waits else advice
            yield _on_job(rule, row, row.verdict, row.reason, f"{advice}{owner}", row.lacks if waits else row.kind)
        elif row.rule in MOTION_RULES and row.motion is not None and row.motion.alert is not None:
            yield _on_job(STUCK, row, row.motion.alert, row.reason, f"{row.action}{owner}", row.code)


def _advise_waiting(row: JobRow) -> str:
    """The way out for what was never started, which nobody can stop; the same as in its row, where that says it."""
    if any(each.rule == INFEASIBLE for each in row.evidence):
        return row.action
    return GIVEN_UP if row.action in ("", NOTHING) else f"{row.action} {GIVEN_UP}"


def _find_circling(rows: Sequence[JobRow]) -> Iterable[Finding]:
    """One for each job, however much of it goes round; the advice goes to whose process took most memory."""
    by_job = {row.job_id: row for row in rows if row.job_id is not None}
    for row in rows:
        circle = row.circle
        if circle is None or row.outcome is not JobOutcome.RUNNING:
            continue
        most = None if circle.greediest is None else circle.greediest.job_id
        greedy = find_row(by_job, most) if most != row.job_id else None
        told = "" if greedy is None else " of ".join(filter(None, (greedy.owner, f"job {shorten_id(greedy.id)}")))
        owner = f" Tell {row.owner}." if row.owner else ""
        action = f"See GET /jobs/{quote_id(row.id, row.session)}. {advise(circle, told)}{owner}"
        verdict = Verdict.BAD if circle.others_succeed is False else Verdict.WARN
        yield _on_job(CIRCLING_JOB, row, verdict, describe_circle(circle), action, row.code)


def _builds_for_long(row: JobRow, now: datetime) -> bool:
    return row.rule == _BUILDING_RULE and row.started_at is not None and now - row.started_at > _BUILDING_LIMIT


def _on_job(rule: str, row: JobRow, verdict: Verdict, sentence: str, action: str, why: str | None) -> Finding:
    """``why``: what has it so beside the rule of its row, or of the finding where that says something else."""
    reason = rule if rule in (LEFTOVER, CIRCLING_JOB) else row.rule
    return Finding(
        rule, "job", row.id, verdict, sentence, action, row.session or None, f"{reason}: {why}" if why else reason
    )


def _find_missing(
    snapshot: Snapshot, rows: list[JobRow], contracts: Contracts, past: Mapping[str, PastRuns], now: datetime
) -> Iterable[Finding]:
    """Kinds of which a success is due every so often. A kind of which nothing is known yet has not begun."""
    if isinstance(snapshot.jobs, Unknown):
        return
    for kind, expectation in contracts.expectations.items():
        if expectation.every_s is None:
            continue
        known = past.get(kind, PastRuns())
        same = [row for row in rows if row.kind == kind]
        ended = [row.ended_at for row in same if row.outcome is JobOutcome.SUCCEEDED and row.ended_at is not None]
        last = max([*ended, *([known.last_succeeded_at] if known.last_succeeded_at else [])], default=None)
        began = min([row.started_at for row in same if row.started_at], default=known.last_started_at)
        since = last or began
        if since is None or (now - since).total_seconds() <= expectation.every_s:
            continue
        hours = (now - since).total_seconds() / 3600
        what = "has succeeded for" if last is not None else "has succeeded since the first was seen"
        owner = f" Tell {expectation.owner}." if expectation.owner else ""
        yield Finding(
            MISSING,
            "kind",
            kind,
            Verdict.BAD,
            f"No job of this kind {what} {hours:.1f} h{'' if last else ' ago'}; "
            f"one is expected every {expectation.every_s / 3600:g} h.",
            f"See why its scheduler ({expectation.scheduled_by}) does not start it, or why it fails.{owner}",
            reason=f"{MISSING}: {expectation.scheduled_by}",
        )


def _find_leftovers(snapshot: Snapshot, rows: Iterable[JobRow], now: datetime) -> Iterable[Finding]:
    if not isinstance(snapshot.actors, Known):
        return
    over = [row for row in rows if row.outcome not in OPEN_OUTCOMES and _has_long_ended(row, now)]
    by_job = {row.job_id: row for row in over if row.job_id is not None}
    living: set[str] = set()
    for submission in over:
        for driver in snapshot.list_drivers(submission.submission_id):
            by_job[driver.job_id] = submission
            # What a driver uses that lives on is not left over.
            living |= set() if driver.is_dead else {driver.job_id}
    by_supervisor = {f"{SUPERVISOR_PREFIX}{row.submission_id}": row for row in over if row.submission_id is not None}
    left: dict[str, tuple[JobRow, list[ActorFacts]]] = {}
    for actor in snapshot.actors.value:
        if actor.state == "DEAD" or actor.is_serve or actor.job_id in living:
            continue
        row = find_row(by_supervisor, actor.name) or find_row(by_job, actor.job_id)
        if row is not None:
            left.setdefault(row.id, (row, []))[1].append(actor)
    for row, actors in left.values():
        names = ", ".join(sorted(actor.name or actor.class_name for actor in actors)[:_NAMES_SHOWN])
        more = "" if len(actors) <= _NAMES_SHOWN else f" and {len(actors) - _NAMES_SHOWN} more"
        yield _on_job(
            LEFTOVER,
            row,
            Verdict.WARN,
            f"It is over, and {len(actors)} of its actors live on: {names}{more}.",
            _advise_on_leftovers(actors),
            None,
        )


def _advise_on_leftovers(actors: Iterable[ActorFacts]) -> str:
    """Only what has a name can be ended by it; what has none ends with the actor that holds it."""
    every = sorted(actors, key=lambda actor: (actor.name or "", actor.actor_id))
    named = [actor for actor in every if actor.name]
    calls = [f"ray.kill(ray.get_actor({actor.name!r}, {actor.namespace!r}))" for actor in named[:_NAMES_SHOWN]]
    if not calls:
        return "They have no name, and end with who holds a handle of them; they hold what they were given."
    rest = "; those without a name end with the one that holds them" if len(named) < len(every) else ""
    return f"If nobody needs them: {'; '.join(calls)}{rest}; they hold what they were given."


def _has_long_ended(row: JobRow, now: datetime) -> bool:
    return row.ended_at is not None and now - row.ended_at > _LEFT_AFTER
