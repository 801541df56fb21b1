"""The diagnosis that is made of what was weighed: found, not known, nothing wrong, stopped, no log. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from serve_app.jobs.diagnosis.catalogue.built_in import CODES
from serve_app.jobs.diagnosis.catalogue.catalogue import Code
from serve_app.jobs.diagnosis.engine.aftermath import Aftermath
from serve_app.jobs.diagnosis.engine.clues import Clue
from serve_app.jobs.diagnosis.engine.details import find_detail
from serve_app.jobs.diagnosis.engine.field_rules import is_failure
from serve_app.jobs.diagnosis.engine.phrases import NO_LOG, describe_found, describe_unknown
from serve_app.jobs.diagnosis.engine.rank import Weighed
from serve_app.jobs.diagnosis.engine.scan import Scan
from serve_app.jobs.diagnosis.log.frames import describe_error
from serve_app.jobs.diagnosis.models import (
    STOPPED,
    UNKNOWN,
    Candidate,
    CauseStep,
    Certainty,
    Diagnosis,
    DiagnosisState,
    EvidenceLine,
    Fields,
    ProgramError,
    SourceKind,
)

_MOST_EVIDENCE = 5
_MOST_SAME = 2
# What these codes say waits, where nothing says that it failed.
_OF_PROGRAMS = ("app.", "serve.", "gpu.")
_WAITING = ("scheduling.", "cluster.launch-failed")
_NOTHING_WRONG = Diagnosis(None, "nothing is wrong", "Nothing that was looked at tells of a failure.")


def is_no_cause(clue: Clue) -> bool:
    """Whether it only tells that something ended with the job."""
    return clue.code == UNKNOWN


def conclude_no_log(codes: Mapping[str, Code], unavailable: Sequence[str]) -> Diagnosis:
    """Not known, because what was handed over is no log."""
    code = codes.get(UNKNOWN, CODES[UNKNOWN])
    return Diagnosis(
        code.code,
        NO_LOG.title,
        NO_LOG.sentence,
        code_class=code.code_class,
        advice=NO_LOG.advice,
        unavailable=tuple(unavailable),
    )


def conclude_success(sentence: str, unavailable: Sequence[str], candidates: tuple[Candidate, ...] = ()) -> Diagnosis:
    return Diagnosis(
        None,
        _NOTHING_WRONG.title,
        sentence or _NOTHING_WRONG.sentence,
        candidates=candidates,
        unavailable=tuple(unavailable),
    )


def conclude_stopped(
    codes: Mapping[str, Code],
    fields: Fields,
    scans: Sequence[Scan],
    causes: Sequence[Clue],
    unavailable: Sequence[str],
) -> Diagnosis:
    """Stopped on request; and beside it what would never have ended, which may be why somebody stopped it."""
    code = CODES[STOPPED]
    stopped = CauseStep(code.code, code.sentence, EvidenceLine("fields", 0, "status=STOPPED"))
    found = Diagnosis(
        code.code,
        code.title,
        code.sentence,
        Certainty.CERTAIN,
        code.code_class,
        "status-stopped",
        (EvidenceLine("fields", 0, "status=STOPPED"),),
        (stopped,),
        (),
        code.advice,
        code.docs or None,
        tuple(unavailable),
    )
    if not causes:
        return found
    first = causes[0]
    why = conclude_found(codes, fields, scans, Weighed(first, (first,)), first, unavailable)
    until = "Until then it went in circles:" if first.is_circle else "Until then it waited in vain:"
    told = replace(
        why,
        sentence=f"{code.sentence} {until} {why.sentence}",
        evidence=(*found.evidence, *why.evidence),
        chain=(stopped, CauseStep(first.code, why.sentence, first.evidence)),
        candidates=(),
    )
    if first.is_circle:
        # The row of such a job has the code of its circle, while it runs and afterwards.
        return told
    gone_on = "It was stopped, and would have gone on so: this is what to mend."
    candidate = Candidate(first.code, why.title, first.certainty, first.rule, (first.evidence,), gone_on)
    return replace(
        found,
        sentence=told.sentence,
        evidence=told.evidence,
        chain=told.chain,
        candidates=(candidate,),
        advice=why.advice,
        docs=why.docs,
    )


def conclude_found(
    codes: Mapping[str, Code],
    fields: Fields,
    scans: Sequence[Scan],
    weighed: Weighed,
    primary: Clue,
    unavailable: Sequence[str],
) -> Diagnosis:
    code = codes[primary.code]
    signature = primary.signature
    followed = (*weighed.same[:_MOST_SAME], *reversed(weighed.chain[:-1]))
    every = [primary.evidence, *(clue.evidence for clue in followed)]
    evidence = tuple(dict.fromkeys(every))[:_MOST_EVIDENCE]
    told = describe_found(code, primary, scans, fields, evidence)
    program = _describe_program(primary, scans)
    detail = find_detail(code.code, primary.evidence.quote, program) if told.title == code.title else ""
    return Diagnosis(
        code.code,
        f"{told.title}: {detail}" if detail else told.title,
        told.sentence,
        primary.certainty,
        code.code_class,
        primary.rule,
        evidence,
        tuple(
            CauseStep(clue.code, told.sentence if clue is primary else codes[clue.code].sentence, clue.evidence)
            for clue in weighed.chain
        ),
        list_candidates(codes, weighed),
        told.advice,
        (signature.docs if signature is not None else "") or code.docs or None,
        tuple(unavailable),
        _choose_state(fields, weighed, primary),
        program=program,
    )


def _describe_program(primary: Clue, scans: Sequence[Scan]) -> ProgramError | None:
    """The exception that the clue is, or is a part of; None where it is Ray's own, or none."""
    if primary.source < 0 or not primary.code.startswith(_OF_PROGRAMS):
        return None
    around = [each for each in scans[primary.source].tracebacks if each.stream == primary.stream]
    raised = [
        each
        for traceback in around
        if traceback.begin <= primary.line <= primary.end and traceback.begin <= primary.end
        for each in traceback.raised
        if each.line <= primary.line and not each.is_wrapper
    ]
    found = max(raised, key=lambda each: each.line, default=None)
    if found is None or found.type.startswith("ray.exceptions."):
        return None
    _, _, message = found.text.partition(": ")
    return describe_error(found.type, message.strip(), found.frames)


def _choose_state(fields: Fields, weighed: Weighed, primary: Clue) -> DiagnosisState:
    """``waiting`` where the code says that something waits, and neither the row nor an exception that it failed."""
    raised = any(clue.in_traceback for clue in (primary, *weighed.chain))
    waits = primary.code.startswith(_WAITING) and not raised and not is_failure(fields)
    return DiagnosisState.WAITING if waits and fields.status != "STOPPED" else DiagnosisState.FAILED


def list_candidates(codes: Mapping[str, Code], weighed: Weighed) -> tuple[Candidate, ...]:
    return tuple(
        Candidate(clue.code, codes[clue.code].title, clue.certainty, clue.rule, (clue.evidence,), why_not)
        for clue, why_not in weighed.others
    )


def conclude_unknown(
    codes: Mapping[str, Code],
    fields: Fields,
    scans: Sequence[Scan],
    endings: Sequence[Aftermath],
    weighed: Weighed,
    unavailable: Sequence[str],
) -> Diagnosis:
    """Not known, with the lines that tell most."""
    code = CODES[UNKNOWN]
    lines = [
        EvidenceLine(each.name, last.number, last.quote)
        for each, ending in zip(scans, endings, strict=True)
        if each.kind is not SourceKind.SYSTEM
        for last in ending.select_last_words(3) or ending.select_last_lines(3)
    ]
    has_left = weighed.primary is not None and is_no_cause(weighed.primary)
    told = describe_unknown(code, fields, is_quoted=bool(lines), has_left=has_left)
    return Diagnosis(
        code.code,
        told.title,
        told.sentence,
        None,
        code.code_class,
        None,
        tuple(lines[:_MOST_EVIDENCE]),
        (),
        list_candidates(codes, weighed),
        told.advice,
        code.docs or None,
        tuple(unavailable),
        DiagnosisState.FAILED if is_failure(fields) else DiagnosisState.UNKNOWN,
    )
