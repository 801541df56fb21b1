"""Why a job failed: from its row and its texts to one code with its evidence. Pure but for reading the sources."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from serve_app.jobs.diagnosis.catalogue.built_in import CODES, load_built_in
from serve_app.jobs.diagnosis.catalogue.catalogue import Catalogue, ClueRole, Code
from serve_app.jobs.diagnosis.engine.aftermath import Aftermath
from serve_app.jobs.diagnosis.engine.clues import Clue, find_clues_in_fields, find_clues_in_scan
from serve_app.jobs.diagnosis.engine.field_rules import complete_fields, find_clues, is_failure, is_success
from serve_app.jobs.diagnosis.engine.rank import Weighed, weigh
from serve_app.jobs.diagnosis.engine.scan import Scan, scan
from serve_app.jobs.diagnosis.models import (
    UNKNOWN,
    Candidate,
    CauseStep,
    Certainty,
    Diagnosis,
    EvidenceLine,
    Fields,
    SourceKind,
    TextSource,
)
from serve_app.outcomes import OPEN_STATUSES

# Ray's sentence about a job, as a source.
MESSAGE = "message"
# What follows it in a message is the end of the driver's log (``job_manager.py``).
_REPEATED_LOG = "last available logs"
_MOST_EVIDENCE = 5
_MOST_SAME = 2
# Exit codes that a program chooses itself: not those of the shell, of signals, or of wrong usage.
_OWN_EXIT_CODES = frozenset({1, *range(3, 126), 255})
_OWN_ERROR = re.compile(r"\b(?:ERROR|FATAL|CRITICAL|PANIC)\b|\b(?:error|fatal|panic)\b(?:\[\w+\])?: ", re.ASCII)
_LAST_LINES = 5
_NOTHING_WRONG = Diagnosis(None, "nothing is wrong", "Nothing that was looked at tells of a failure.")


def diagnose(
    fields: Fields,
    sources: Iterable[TextSource],
    catalogue: Catalogue | None = None,
    *,
    unavailable: Sequence[str] = (),
) -> Diagnosis:
    """What the row and the texts say about a failure. Reads each source once; never raises for what is in it.

    ``unavailable``: sentences about what could not be looked at, passed on. Takes processor time in proportion to the
    size of the sources: call it in a thread.
    """
    catalogue = catalogue or load_built_in()
    texts = _add_message(fields, list(sources))
    scans = [scan(source, catalogue) for source in texts]
    endings = [Aftermath(each) for each in scans]
    fields = complete_fields(fields, _find_ray_sentence(scans))
    clues = find_clues_in_fields(find_clues(fields))
    for number, (each, ending) in enumerate(zip(scans, endings, strict=True)):
        clues += find_clues_in_scan(number, each, ending, has_ended=fields.status not in OPEN_STATUSES)
    if is_success(fields):
        return _conclude_success("Ray says that it succeeded.", unavailable)
    if fields.status == "STOPPED":
        return _conclude_stopped(unavailable)
    words = [(scans[number], ending.select_last_words()) for number, ending in enumerate(endings)]
    has_failed = is_failure(fields)
    weighed = weigh(clues, has_failed=has_failed or any(told for _, told in words))
    if weighed.primary is not None:
        return _conclude_found(catalogue.codes, weighed, weighed.primary, unavailable)
    own = _find_own_words(fields, scans, endings)
    if own is not None:
        return _conclude_found(catalogue.codes, replace(weighed, chain=(own,)), own, unavailable)
    if has_failed or any(told for _, told in words):
        return _conclude_unknown(catalogue.codes, scans, endings, weighed, unavailable)
    return _conclude_success("", unavailable, _list_candidates(catalogue.codes, weighed))


def _add_message(fields: Fields, sources: list[TextSource]) -> list[TextSource]:
    """The sources with Ray's message about the job; the end of the log that it repeats only when there is no log."""
    if not fields.message:
        return sources
    own, separator, _ = fields.message.partition(_REPEATED_LOG)
    said = TextSource(MESSAGE, SourceKind.RAY, [own.encode("utf-8", "replace")])
    has_log = any(each.kind in (SourceKind.DRIVER, SourceKind.FILE) for each in sources)
    if not separator or has_log:
        return [said, *sources]
    return [said, TextSource(MESSAGE, SourceKind.DRIVER, [fields.message.encode("utf-8", "replace")]), *sources]


def _find_ray_sentence(scans: Sequence[Scan]) -> str:
    """Lines among the last in which Ray tells the exit code."""
    return "\n".join(
        last.line.text for each in scans for last in each.tail if "failed with exit code" in last.line.text
    )


def _conclude_success(sentence: str, unavailable: Sequence[str], candidates: tuple[Candidate, ...] = ()) -> Diagnosis:
    return Diagnosis(
        None,
        _NOTHING_WRONG.title,
        sentence or _NOTHING_WRONG.sentence,
        candidates=candidates,
        unavailable=tuple(unavailable),
    )


def _conclude_stopped(unavailable: Sequence[str]) -> Diagnosis:
    code = CODES["app.stopped"]
    return Diagnosis(
        code.code,
        code.title,
        code.sentence,
        Certainty.CERTAIN,
        code.code_class,
        "status-stopped",
        (EvidenceLine("fields", 0, "status=STOPPED"),),
        (CauseStep(code.code, code.sentence, EvidenceLine("fields", 0, "status=STOPPED")),),
        (),
        code.advice,
        code.docs or None,
        tuple(unavailable),
    )


def _conclude_found(
    codes: Mapping[str, Code], weighed: Weighed, primary: Clue, unavailable: Sequence[str]
) -> Diagnosis:
    code = codes[primary.code]
    signature = primary.signature
    followed = (*weighed.same[:_MOST_SAME], *reversed(weighed.chain[:-1]))
    evidence = [primary.evidence, *(clue.evidence for clue in followed)]
    return Diagnosis(
        code.code,
        code.title,
        code.sentence,
        primary.certainty,
        code.code_class,
        primary.rule,
        tuple(dict.fromkeys(evidence))[:_MOST_EVIDENCE],
        tuple(CauseStep(clue.code, codes[clue.code].sentence, clue.evidence) for clue in weighed.chain),
        _list_candidates(codes, weighed),
        (signature.advice if signature is not None else ()) or code.advice,
        (signature.docs if signature is not None else "") or code.docs or None,
        tuple(unavailable),
    )


def _find_own_words(fields: Fields, scans: Sequence[Scan], endings: Sequence[Aftermath]) -> Clue | None:
    """The error with which a program ended by itself, when that is among its last words and its exit code says so."""
    if fields.driver_exit_code not in _OWN_EXIT_CODES:
        return None
    for number, (each, ending) in enumerate(zip(scans, endings, strict=True)):
        if each.kind not in (SourceKind.DRIVER, SourceKind.FILE):
            continue
        last = [tail for tail in ending.select_last_words() if _OWN_ERROR.search(tail.line.text)]
        numbers = {tail.number for tail in ending.select_last_lines(_LAST_LINES)}
        found = next((tail for tail in reversed(last) if tail.number in numbers), None)
        if found is not None:
            return Clue(
                "app.exception",
                ClueRole.CAUSE,
                Certainty.POSSIBLE,
                "last-words",
                EvidenceLine(each.name, found.number, found.quote),
                number,
                each.kind,
                found.number,
                found.number,
            )
    return None


def _list_candidates(codes: Mapping[str, Code], weighed: Weighed) -> tuple[Candidate, ...]:
    return tuple(
        Candidate(clue.code, codes[clue.code].title, clue.certainty, clue.rule, (clue.evidence,), why_not)
        for clue, why_not in weighed.others
    )


def _conclude_unknown(
    codes: Mapping[str, Code],
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
    return Diagnosis(
        code.code,
        code.title,
        code.sentence,
        None,
        code.code_class,
        None,
        tuple(lines[:_MOST_EVIDENCE]),
        (),
        _list_candidates(codes, weighed),
        code.advice,
        code.docs or None,
        tuple(unavailable),
    )
