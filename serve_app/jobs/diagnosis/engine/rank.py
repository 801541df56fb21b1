"""Weighing clues: which of them is the cause, how the others follow from it, and why they are not the answer. Pure.

The order: a cause before what carries it before its consequences before warnings; what was repaired
does not count; among equals what is told more reliably, then what came first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from serve_app.jobs.diagnosis.catalogue.catalogue import ClueRole
from serve_app.jobs.diagnosis.engine.aftermath import MANY_LINES
from serve_app.jobs.diagnosis.engine.clues import Clue
from serve_app.jobs.diagnosis.models import UNKNOWN, Certainty, SourceKind

_ROLES = (ClueRole.CAUSE, ClueRole.WRAPPER, ClueRole.SYMPTOM, ClueRole.WARNING)
# What carries an exception that no signature knows gives it its name; the first of these that is there.
_NAMING_WRAPPERS = (
    "serve.constructor-failed",
    "serve.config-invalid",
    "app.actor-init-failed",
    "env.setup-failed",
    "app.serialization",
    "app.task-exception",
)
# How far a consequence usually is from its cause; of several consequences the nearest is told.
_FAR = {
    "app.get-timeout": 9,
    "app.task-exception": 8,
    "app.exception": 9,
    "actor.died": 7,
    "actor.unavailable": 7,
    # Says nothing of why: that the driver left, and its tasks with it.
    UNKNOWN: 10,
    "job.supervisor-died": 6,
    "job.supervisor-lost": 6,
    "gcs.unreachable": 5,
    "object.lost": 5,
    "serve.health-check-failed": 6,
    "serve.constructor-failed": 4,
    # What Serve says of a deployment tells more than that its actor, or its application, did not come up.
    "serve.config-invalid": 5,
    "app.actor-init-failed": 5,
}
# An exception that no signature knows ends the job by itself when so much lies between it and an earlier cause.
_NEAR_LINES = 60
_OFTEN_HANDLED = frozenset(
    {"app.data-access", "app.import-error", "app.actor-not-found", "network.port-conflict", "app.get-timeout"}
)
# A cause within what carries it, where both together have a name of their own.
_WITHIN = {
    ("app.data-access", "env.setup-failed"): "env.package-missing",
    ("app.data-access", "job.no-agent"): "job.no-agent",
    ("app.data-access", "cluster.launch-failed"): "cluster.launch-failed",
    ("gcs.unreachable", "job.supervisor-not-created"): "job.supervisor-not-created",
}
# A lost node takes its work elsewhere, unless something kept it from that; a GCS that cannot be reached may not be let.
_YIELDS_TO = {
    "node.died": ("raylet.crashed", "scheduling.node-affinity", "object.lost"),
    "cluster.not-found": ("cluster.stale-state",),
    "gpu.collective-failed": ("storage.shm-too-small", "network.port-conflict"),
    "storage.disk-full": ("storage.shm-too-small",),
    "app.native-crash": ("os.limit", "raylet.crashed"),
    "gcs.unreachable": ("network.port-conflict", "cluster.auth", "cluster.version-mismatch"),
}
_NAMES_EXCEPTION = re.compile(r"\b[A-Za-z_.]{1,80}(?:Error|Exception|Interrupt)\b")
# Consequences that say that their cause was told before them.
_POINTS_ABOVE = frozenset({"vllm-engine"})
_WITHOUT_A_REASON = frozenset({"memory.process-killed", "actor.died"})
_FATAL = frozenset(
    {"gpu.out-of-memory", "gpu.collective-timeout", "gpu.collective-failed", "gpu.hardware", "app.native-crash"}
)
_FATAL_LINES = 400
_MOST_GOOD_BYE_LINES = 40
_LAST_WORD_LINES = 3


@dataclass(frozen=True, slots=True)
class Weighed:
    """``primary``: the cause, or None; ``chain``: what followed from it, the last consequence first, then the cause;
    ``same``: other clues of the same code.
    """

    primary: Clue | None
    chain: tuple[Clue, ...] = ()
    same: tuple[Clue, ...] = ()
    others: tuple[tuple[Clue, str], ...] = ()


def weigh(clues: Sequence[Clue], *, has_failed: bool) -> Weighed:
    """The cause among the clues. ``has_failed``: Ray's row, or the log's end, says that the job failed."""
    standing = [clue for clue in clues if not clue.repaired]
    counted = [
        clue for clue in standing if clue.role is not ClueRole.WARNING or has_failed or _is_last_word(clue, clues)
    ]
    counted = _leave_out_noise(counted, clues)
    primary = _select_primary(counted) or (_find_last_traceback(clues) if has_failed else None)
    primary = _look_above(primary, clues)
    if primary is None:
        return Weighed(None, others=_list_others(None, clues, counted))
    named = _doubt_among_causes(_rename_generic(primary, counted), counted)
    chain = _build_chain(primary, counted)
    same = tuple(clue for clue in counted if clue.code == named.code and clue.evidence != named.evidence)
    return Weighed(named, (*chain, named), same, _list_others(named, clues, counted))


def _doubt_among_causes(named: Clue, counted: Sequence[Clue]) -> Clue:
    """Of a log alone that has several causes, which came first is likely and not certain."""
    others = {clue.code for clue in counted if clue.role is ClueRole.CAUSE and not clue.is_generic and not clue.doubt}
    others -= {code for code, better in _YIELDS_TO.items() if named.code in better}
    is_sure = named.certainty is Certainty.CERTAIN and named.kind is SourceKind.FILE and not named.is_circle
    # What carries a program's exception is not seen to carry nothing else where a log may be cut.
    is_outer = named.role is ClueRole.WRAPPER and named.code.startswith("app.")
    return replace(named, certainty=Certainty.LIKELY) if is_sure and (is_outer or others - {named.code}) else named


def _look_above(primary: Clue | None, clues: Sequence[Clue]) -> Clue | None:
    """What an engine ended of, when it only says that it did and points at what it wrote before.

    Its other processes went on writing after that, so that it seems to have been survived.
    """
    points = primary is not None and primary.rule in _POINTS_ABOVE
    if primary is None or not (points or primary.code in _WITHOUT_A_REASON):
        return primary
    before = [
        clue
        for clue in clues
        if clue.role is ClueRole.CAUSE and clue.source == primary.source and clue.line < primary.line and not clue.doubt
    ]
    if not points:
        # That a process is gone does not point anywhere: only what processes end of explains it, and from near.
        near = primary.line - _FATAL_LINES
        before = [clue for clue in before if clue.code in _FATAL and clue.stream and clue.line >= near]
    first = min(before, key=lambda clue: (clue.is_generic, clue.line), default=None)
    return primary if first is None else replace(first, repaired="", certainty=Certainty.LIKELY)


def list_caught(clues: Sequence[Clue]) -> list[Clue]:
    """Of a job that goes on, exceptions that it wrote by itself and had survived before: it will survive them again.

    Ray's own words, which come again and again while something lasts, name no exception.
    """
    return [clue for clue in clues if _NAMES_EXCEPTION.search(clue.evidence.quote) and _is_survived(clue, clues)]


def _leave_out_noise(counted: Sequence[Clue], clues: Sequence[Clue]) -> list[Clue]:
    """Without what the program wrote again and again and went on from, when its own last traceback has another cause.

    The same line cannot have ended it the last time when it did not the times before.
    """
    ended = [clue for clue in counted if clue.is_uncaught and not clue.stream and clue.role is ClueRole.CAUSE]
    ending = max(ended, key=lambda clue: clue.end, default=None)
    if ending is None:
        return list(counted)
    return [
        clue
        for clue in counted
        if clue.source != ending.source or clue.line > ending.end or not _is_survived(clue, clues)
    ]


def _is_survived(clue: Clue, clues: Sequence[Clue]) -> bool:
    """Whether the program wrote a line of its rule by itself long before or after, in the same source."""
    if not clue.is_alone:
        return False
    lines = [each.line for each in clues if each.is_alone and (each.source, each.rule) == (clue.source, clue.rule)]
    return max(lines) - min(lines) >= MANY_LINES


def _is_last_word(warning: Clue, clues: Sequence[Clue]) -> bool:
    """Whether the log ends with this warning, and the program had not survived the same before."""
    if warning.signature is not None and warning.signature.stands:
        return warning.went_on <= _LAST_WORD_LINES
    earlier = (clue.line for clue in clues if clue.rule == warning.rule and clue.source == warning.source)
    return warning.went_on <= _LAST_WORD_LINES and warning.line - min(earlier) < MANY_LINES


def _select_primary(clues: Sequence[Clue]) -> Clue | None:
    generic = [clue for clue in clues if clue.is_generic]
    causes = [clue for clue in clues if clue.role is ClueRole.CAUSE and not clue.is_generic]
    ending = _find_ending_exception(generic)
    if ending is not None:
        causes = [clue for clue in causes if _leads_to(clue, ending)]
    if causes:
        first = min(causes, key=_get_order)
        # What explains it, or made it fatal, may be told later or less loudly.
        wanted = _YIELDS_TO.get(first.code, ())
        better = [clue for clue in causes if clue.code in wanted and clue.certainty is Certainty.CERTAIN]
        best = min(better, key=_get_order, default=first)
        # That it was stopped is its own; what may be another job's explains no more than that.
        stopped = [clue for clue in clues if clue.code == "app.stopped" and not clue.doubt]
        return min(stopped, key=_get_order) if best.doubt and stopped else best
    if generic:
        return ending or min(generic, key=lambda clue: (not clue.is_uncaught, clue.source, clue.line))
    for role in _ROLES[1:]:
        found = [clue for clue in clues if clue.role is role]
        if found:
            return min(found, key=lambda clue: (_FAR.get(clue.code, 0), _get_order(clue)))
    return None


def _find_last_traceback(clues: Sequence[Clue]) -> Clue | None:
    """The driver's last traceback, for want of anything better: what it wrote afterwards may be its good-bye."""
    own = [clue for clue in clues if clue.in_traceback and not clue.stream and clue.went_on <= _MOST_GOOD_BYE_LINES]
    last = max((clue.end for clue in own), default=0)
    found = _select_primary([replace(clue, repaired="") for clue in own if clue.end == last])
    return None if found is None else replace(found, certainty=Certainty.POSSIBLE)


def _find_ending_exception(generic: Sequence[Clue]) -> Clue | None:
    """The exception with which the driver ended, when it is one that no signature knows."""
    uncaught = [clue for clue in generic if clue.is_uncaught and not clue.stream]
    last = max(uncaught, key=lambda clue: clue.end, default=None)
    # The same may be told again by a logger, of the process in which it was raised.
    same = [clue for clue in uncaught if last is not None and clue.evidence.quote == last.evidence.quote]
    return min(same, key=lambda clue: clue.line, default=last)


def _leads_to(cause: Clue, ending: Clue) -> bool:
    if cause.doubt or cause.is_circle:
        return False
    if cause.source != ending.source:
        return cause.kind in (None, SourceKind.RAY, SourceKind.SERVE) or cause.certainty is Certainty.CERTAIN
    if cause.line >= ending.line:
        return True
    # A process ends with one traceback: another that it wrote before was handled, if it is of a kind that is.
    handled = cause.in_traceback and cause.stream == ending.stream and cause.code in _OFTEN_HANDLED
    return not handled and ending.line - cause.end <= _NEAR_LINES


def _get_order(clue: Clue) -> tuple[int, int, int, int]:
    trust = 0 if clue.kind is None else 1 if clue.kind in (SourceKind.RAY, SourceKind.SERVE) else 2
    doubtful = int(clue.certainty is Certainty.POSSIBLE)
    return doubtful, trust, clue.source, clue.line


def _rename_generic(primary: Clue, clues: Sequence[Clue]) -> Clue:
    """An exception that no signature knows, under the name of what carried it."""
    wrappers = {clue.code for clue in clues if clue.role in (ClueRole.WRAPPER, ClueRole.SYMPTOM)} | {primary.code}
    if not primary.is_generic:
        within = (name for (code, wrapper), name in _WITHIN.items() if code == primary.code and wrapper in wrappers)
        return replace(primary, code=next(within, primary.code))
    code = next((code for code in _NAMING_WRAPPERS if code in wrappers), primary.code)
    # Where a driver and its workers raise, which of them ended the job is not told by a log alone.
    names = {clue.code for clue in clues if clue.is_generic} if primary.kind is SourceKind.FILE else set()
    certainty = Certainty.CERTAIN if primary.is_uncaught and len(names) <= 1 else Certainty.LIKELY
    certainty = certainty if primary.certainty is Certainty.CERTAIN else primary.certainty
    certainty = Certainty.POSSIBLE if primary.doubt else certainty
    return replace(primary, code=code, certainty=certainty)


def _build_chain(primary: Clue, clues: Sequence[Clue]) -> tuple[Clue, ...]:
    """What followed from the cause, one clue for each code, the farthest first."""
    place = _ROLES.index(primary.role)
    after = [clue for clue in clues if _ROLES.index(clue.role) > place and clue.role is not ClueRole.WARNING]
    first: dict[str, Clue] = {}
    for clue in sorted(after, key=_get_order):
        if clue.code not in (primary.code, UNKNOWN) and not clue.doubt:
            first.setdefault(clue.code, clue)
    ordered = sorted(first.values(), key=lambda clue: (_ROLES.index(clue.role), _FAR.get(clue.code, 0)), reverse=True)
    return tuple(ordered[:5])


def _list_others(primary: Clue | None, clues: Sequence[Clue], counted: Sequence[Clue]) -> tuple[tuple[Clue, str], ...]:
    first: dict[str, tuple[Clue, str]] = {}
    standing = {id(clue) for clue in counted}
    for clue in sorted(clues, key=lambda each: (bool(each.repaired), _ROLES.index(each.role), _get_order(each))):
        if clue.code != UNKNOWN and (primary is None or clue.code != primary.code):
            first.setdefault(clue.code, (clue, _explain_rejection(primary, clue, id(clue) in standing)))
    return tuple(first.values())[:8]


def explain_doubt(clue: Clue) -> str:
    """Why a clue may be another job's."""
    return f"Whether it is this job's cannot be told: {clue.doubt}."


def _explain_rejection(primary: Clue | None, clue: Clue, counted: bool) -> str:
    if clue.repaired:
        return f"It does not count: {clue.repaired}."
    if clue.doubt:
        return explain_doubt(clue)
    if not counted or primary is None:
        return "A warning: most programs that write it go on and end well."
    if _ROLES.index(clue.role) > _ROLES.index(primary.role):
        what = {
            ClueRole.WRAPPER: "It carries another failure, which is seen",
            ClueRole.SYMPTOM: "It is a consequence",
            ClueRole.WARNING: "It is a warning, and a failure is seen",
        }[clue.role]
        return f"{what}: {primary.code}."
    if clue.certainty is Certainty.POSSIBLE and primary.certainty is not Certainty.POSSIBLE:
        return "It is only one of several causes of what was seen."
    if clue.is_generic:
        return f"It names no cause; {primary.code} does."
    if clue.source == primary.source and clue.line > primary.line:
        return f"It came later: line {clue.line}, after line {primary.line}."
    return f"It stands far from the failure, or is told less reliably than {primary.code}."
