"""Clues: everything in the sources that may be the cause, in one form, before it is weighed. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from serve_app.jobs.diagnosis.catalogue.catalogue import ClueRole, Signature
from serve_app.jobs.diagnosis.engine.aftermath import MANY_LINES, Aftermath, is_quiet
from serve_app.jobs.diagnosis.engine.field_rules import FieldClue
from serve_app.jobs.diagnosis.engine.owner import OwnerJudge, Ownership, Whose
from serve_app.jobs.diagnosis.engine.scan import Hit, Scan
from serve_app.jobs.diagnosis.log.frames import is_of_ray_itself
from serve_app.jobs.diagnosis.log.tracebacks import Raised, Traceback
from serve_app.jobs.diagnosis.models import Certainty, EvidenceLine, SourceKind

# A message of several lines belongs to the exception that it follows.
_MESSAGE_LINES = 15
FIELDS = "fields"
# A line that says so is a warning, whatever else is in it.
_RETRIES = re.compile(
    r"\b(?:retrying|will retry|will be retried|trying again|retry in \d|infinite (?:oom )?retries"
    r"|[1-9]\d* retries (?:left|remaining)"
    r"|[Rr]econnecting in)\b"
)
# The level of a logger before what it tells, and words after it, of a program that does without.
_LOW_LEVEL = re.compile(r"\b(?:WARN(?:ING)?|INFO|DEBUG|TRACE)\b|\b(?:[Ii]gnor|[Ss]kipp)(?:ed|ing)\b")
_DOES_WITHOUT = re.compile(
    r"\b(?:fall(?:s|ing)? back|ignor(?:ed|ing)|skipp(?:ed|ing)|us(?:es|ing) (?:the )?defaults?|continuing|disabling)\b"
    r"|\bdefaults? (?:is|are) used\b|\busing \S{1,40} instead\b",
    re.IGNORECASE,
)
_BEFORE_CHARS, _AFTER_CHARS = 120, 240
# An exception in these is one of a task or an actor.
_IN_RAY = (SourceKind.RAY, SourceKind.WORKER)
# What Ray writes before the words of a worker: the name of its task or actor, which a process of an engine has not.
_OF_WORKER = re.compile(r"\((?!raylet|EngineCore|APIServer|Worker_|VllmWorker|autoscaler)\w[^()\n]{0,200}pid=\d")
# Whatever a process of Ray wrote into a log of its own.
_OF_RAY = "(raylet)"


@dataclass(frozen=True, slots=True)
class Clue:
    """One thing that was seen. ``source``: number of the source, -1 for the row; ``end``: the last line of it.

    ``is_generic``: an exception that no signature knows; ``is_alone``: a line without a traceback of its own;
    ``went_on``: ordinary lines after it; ``repaired``: why it does not count, or empty; ``doubt``: why it may be
    another job's, or empty; ``is_circle``: it happened again and again; ``sentence`` and ``advice``: what is said of
    it, in place of the words of its code.
    """

    code: str
    role: ClueRole
    certainty: Certainty
    rule: str
    evidence: EvidenceLine
    source: int
    kind: SourceKind | None
    line: int
    end: int
    stream: str = ""
    at: str | None = None
    is_generic: bool = False
    in_traceback: bool = False
    is_alone: bool = False
    is_uncaught: bool = False
    went_on: int = 0
    repaired: str = ""
    doubt: str = ""
    is_circle: bool = False
    sentence: str = ""
    advice: tuple[str, ...] = ()
    signature: Signature | None = None


def find_clues_in_fields(found: Iterable[FieldClue]) -> list[Clue]:
    """Clues from the job's row."""
    return [
        Clue(
            each.rule.code,
            each.rule.role,
            each.rule.certainty,
            each.rule.name,
            EvidenceLine(FIELDS, 0, each.quote),
            -1,
            None,
            0,
            0,
            sentence=each.rule.sentence,
            advice=each.rule.advice,
        )
        for each in found
    ]


def find_clues_in_scan(
    number: int, scan: Scan, ending: Aftermath, owners: OwnerJudge, *, has_ended: bool = True
) -> list[Clue]:
    """Clues of one source, in the order of its lines; those of another job do not count, and those that may be another
    job's are possible at most.
    """
    clues: list[Clue] = []
    whose = _Owners(owners, scan.kind)
    taken: set[int] = set()
    ordered = sorted(scan.tracebacks, key=lambda each: each.begin)
    for place, traceback in enumerate(ordered):
        next_one = next((each for each in ordered[place + 1 :] if each.stream == traceback.stream), None)
        until = traceback.end + _MESSAGE_LINES if next_one is None else max(next_one.begin - 1, traceback.end)
        until = min(until, traceback.end + _MESSAGE_LINES)
        within = [hit for hit in scan.hits if traceback.begin <= hit.line <= until and hit.stream == traceback.stream]
        taken |= {id(hit) for hit in within}
        hits = [hit for hit in within if not _is_code(hit, traceback)]
        clues += _find_clues_in_traceback(number, scan, ending, traceback, hits, until, whose)
    alone = [hit for hit in scan.hits if id(hit) not in taken]
    clues += [whose.mark(_build_clue(number, scan, ending, hit, end=hit.line), hit.text) for hit in alone]
    if scan.kind is SourceKind.SYSTEM:
        # The logs of Ray's own processes are of all jobs, and repeat what the job's sources say better. That something
        # waits is said by them alone, of what has not ended.
        clues = [clue for clue in clues if _has_weight_in_system_log(clue, has_ended)]
    return sorted(clues, key=lambda clue: clue.line)


@dataclass(frozen=True, slots=True)
class _Owners:
    """Marks clues of one source by whose they are. What tables and the job's own processes say is the job's."""

    owners: OwnerJudge
    kind: SourceKind

    def mark(self, clue: Clue, text: str) -> Clue:
        if self.kind not in (SourceKind.DRIVER, SourceKind.FILE, SourceKind.SYSTEM):
            return clue
        stream = clue.stream or (_OF_RAY if self.kind is SourceKind.SYSTEM else "")
        found: Ownership = self.owners.judge(text, stream)
        if found.whose is Whose.OTHERS:
            return replace(clue, repaired=found.why)
        if found.whose is Whose.UNTOLD:
            return replace(clue, certainty=Certainty.POSSIBLE, doubt=found.why)
        return clue


def _is_code(hit: Hit, traceback: Traceback) -> bool:
    """Whether the hit is in a line of the program, which a traceback shows below its place."""
    return hit.line < traceback.end and hit.text.startswith(" " * (traceback.indent + 4))


def _has_weight_in_system_log(clue: Clue, has_ended: bool) -> bool:
    if clue.role is ClueRole.WARNING:
        return not has_ended and clue.code.startswith("scheduling.")
    return clue.role is ClueRole.CAUSE and not clue.is_generic


def _find_clues_in_traceback(
    number: int, scan: Scan, ending: Aftermath, traceback: Traceback, hits: Sequence[Hit], until: int, whose: _Owners
) -> list[Clue]:
    built = [(hit, _build_clue(number, scan, ending, hit, end=traceback.end, within=traceback)) for hit in hits]
    clues = [whose.mark(clue, hit.text) for hit, clue in built]
    inner = next((raised for raised in traceback.raised if not raised.is_wrapper), None)
    if inner is None:
        return clues
    # What follows the exception's line is its message: a signature of it knows the exception.
    end = min((raised.line - 1 for raised in traceback.raised if raised.line > inner.line), default=until)
    if any(inner.line <= hit.line <= end for hit in hits) or _RETRIES.search(inner.text) is not None:
        return clues
    return [*clues, whose.mark(_build_generic_clue(number, scan, ending, traceback, inner), inner.text)]


def _build_clue(
    number: int, scan: Scan, ending: Aftermath, hit: Hit, end: int, within: Traceback | None = None
) -> Clue:
    alone = within is None or within.begin == within.end
    retries = alone and (_RETRIES.search(hit.text) is not None or _is_survived(hit))
    retries = retries or (is_quiet(hit.text) and hit.signature.code.startswith("app."))
    gave_up = within is not None and within.begin in scan.given_up
    return Clue(
        hit.signature.code,
        ClueRole.WARNING if retries else hit.signature.role,
        hit.signature.certainty,
        hit.signature.name,
        EvidenceLine(scan.name, hit.line, hit.quote),
        number,
        scan.kind,
        hit.line,
        max(end, hit.line),
        hit.stream,
        hit.at or (scan.times.get(within.begin) if within is not None else None),
        in_traceback=within is not None,
        is_alone=alone,
        is_uncaught=within is not None and _is_uncaught(ending, within),
        went_on=ending.count_ordinary_lines(max(end, hit.line)),
        repaired=""
        if gave_up or hit.signature.stands
        else _describe_repair(ending, max(end, hit.line)) or _describe_lateness(ending, hit),
        signature=hit.signature,
    )


def _is_survived(hit: Hit) -> bool:
    """Whether a line says that the program went on. Not of Ray's own lines: Ray warns of what is fatal."""
    if not hit.signature.code.startswith("app.") or hit.signature.stands:
        return False
    begin = min((place for text in hit.signature.contains if (place := hit.text.find(text)) >= 0), default=0)
    before, after = hit.text[max(0, begin - _BEFORE_CHARS) : begin], hit.text[begin : begin + _AFTER_CHARS]
    return _LOW_LEVEL.search(before) is not None or _DOES_WITHOUT.search(after) is not None


def _build_generic_clue(number: int, scan: Scan, ending: Aftermath, traceback: Traceback, inner: Raised) -> Clue:
    in_ray = scan.kind in _IN_RAY or any(raised.in_ray for raised in traceback.raised)
    in_ray = in_ray or _OF_WORKER.match(traceback.stream) is not None
    in_constructor = any(raised.in_constructor for raised in traceback.raised)
    code = "app.actor-init-failed" if in_constructor else "app.task-exception" if in_ray else "app.exception"
    is_of_ray = code == "app.exception" and is_of_ray_itself(inner.frames)
    certainty = Certainty.CERTAIN
    frames = [frame for raised in traceback.raised for frame in raised.frames]
    if scan.kind is SourceKind.FILE and all(frame.is_library for frame in frames):
        # Whose it is, and whether more was told before it, an excerpt without frames of a program does not show.
        certainty = Certainty.POSSIBLE if frames else Certainty.LIKELY
    return Clue(
        "ray.internal-error" if is_of_ray else code,
        ClueRole.CAUSE,
        Certainty.POSSIBLE if inner.is_cut else certainty,
        "exception",
        EvidenceLine(scan.name, inner.line, scan.quotes.get(inner.line, "")),
        number,
        scan.kind,
        inner.line,
        traceback.end,
        traceback.stream,
        scan.times.get(traceback.begin),
        is_generic=True,
        in_traceback=True,
        is_uncaught=_is_uncaught(ending, traceback),
        went_on=ending.count_ordinary_lines(traceback.end),
        repaired="" if traceback.begin in scan.given_up else _describe_repair(ending, traceback.end),
    )


def _is_uncaught(ending: Aftermath, traceback: Traceback) -> bool:
    return ending.count_ordinary_lines(traceback.end) < MANY_LINES // 3 and not ending.was_done_after(traceback.end)


def _describe_lateness(ending: Aftermath, hit: Hit) -> str:
    is_end = hit.signature.role is ClueRole.SYMPTOM and ending.had_ended_before(hit.line)
    return "the program had told its final result before it" if is_end else ""


def _describe_repair(ending: Aftermath, line: int) -> str:
    if ending.was_done_after(line):
        return "the program said afterwards that it was done"
    count = ending.count_ordinary_lines(line)
    return f"the program went on for {count} lines after it" if count >= MANY_LINES else ""
