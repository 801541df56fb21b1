"""Why a job failed: from its row and its texts to one code with its evidence. Pure but for reading the sources."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from serve_app.jobs.diagnosis.catalogue.built_in import CODES, load_built_in
from serve_app.jobs.diagnosis.catalogue.catalogue import Catalogue, ClueRole, Code
from serve_app.jobs.diagnosis.engine.aftermath import Aftermath
from serve_app.jobs.diagnosis.engine.circles import find_circles
from serve_app.jobs.diagnosis.engine.clues import Clue, find_clues_in_fields, find_clues_in_scan
from serve_app.jobs.diagnosis.engine.field_rules import complete_fields, find_clues, is_failure, is_success
from serve_app.jobs.diagnosis.engine.owner import OwnerJudge, Shown, collect_shown
from serve_app.jobs.diagnosis.engine.phrases import describe_found, describe_unknown
from serve_app.jobs.diagnosis.engine.rank import Weighed, explain_doubt, list_caught, weigh
from serve_app.jobs.diagnosis.engine.scan import Scan, scan
from serve_app.jobs.diagnosis.models import (
    STOPPED,
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
# For what is asked for in vain a job waits until somebody stops it.
_WAITS = frozenset({"scheduling.infeasible"})
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
    owners = OwnerJudge(fields.own, _collect_shown(fields, scans))
    for number, (each, ending) in enumerate(zip(scans, endings, strict=True)):
        clues += find_clues_in_scan(number, each, ending, owners, has_ended=fields.status not in OPEN_STATUSES)
    # What was seen while it ran may have been told by a signature that a team has taken back since.
    circles = [each for each in find_circles(fields, scans, endings) if each.code in catalogue.codes]
    if is_success(fields):
        return _conclude_success("Ray says that it succeeded.", unavailable)
    if fields.status == "STOPPED":
        waits = [clue for clue in clues if clue.code in _WAITS and _is_certain(clue)]
        return _conclude_stopped(catalogue.codes, fields, scans, [*circles, *waits], unavailable)
    caught = list_caught(clues) if fields.status in OPEN_STATUSES else []
    clues = [*(clue for clue in clues if clue not in caught), *circles]
    words = [(scans[number], ending.select_last_words()) for number, ending in enumerate(endings)]
    has_failed = is_failure(fields)
    # The end of what a job that goes on has written is no end of it when it had gone on from the same before.
    ends_badly = any(told for _, told in words) and not caught
    weighed = weigh(clues, has_failed=has_failed or ends_badly)
    primary = weighed.primary
    # What says no cause, or may be another job's, gives way to the program's own last words.
    is_vague = primary is None or primary.doubt or _is_no_cause(primary)
    own = _find_own_words(fields, scans, endings) if is_vague and not caught else None
    if own is not None:
        first = [(primary, explain_doubt(primary))] if primary is not None and primary.doubt else []
        instead = Weighed(own, (own,), (), (*first, *weighed.others))
        return _conclude_found(catalogue.codes, fields, scans, instead, own, unavailable)
    if primary is not None and not _is_no_cause(primary):
        return _conclude_found(catalogue.codes, fields, scans, weighed, primary, unavailable)
    if primary is not None or has_failed or ends_badly or _has_left(fields):
        return _conclude_unknown(catalogue.codes, fields, scans, endings, weighed, unavailable)
    return _conclude_success("", unavailable, _list_candidates(catalogue.codes, weighed))


def _add_message(fields: Fields, sources: list[TextSource]) -> list[TextSource]:
    """The sources with Ray's message about the job; the end of the log that it repeats only when there is no log."""
    if not fields.message:
        return sources
    own, separator, _ = fields.message.partition(_REPEATED_LOG)
    own = own.rstrip().removesuffix(",") if separator else own
    said = TextSource(MESSAGE, SourceKind.RAY, [own.encode("utf-8", "replace")])
    has_log = any(each.kind in (SourceKind.DRIVER, SourceKind.FILE) for each in sources)
    if not separator or has_log:
        return [said, *sources]
    return [said, TextSource(MESSAGE, SourceKind.DRIVER, [fields.message.encode("utf-8", "replace")]), *sources]


def _collect_shown(fields: Fields, scans: Sequence[Scan]) -> Shown:
    """What a log shows that is read without a cluster; of a job of this cluster its tables tell."""
    if fields.own is not None:
        return Shown()
    logs = [each for each in scans if each.kind in (SourceKind.DRIVER, SourceKind.FILE)]
    lines = [(tail.line.text, tail.line.stream) for each in logs for tail in each.tail]
    lines += [(hit.text, hit.stream) for each in logs for hit in each.hits]
    return collect_shown(lines, was_killed=any(_is_raised(each, kill.line) for each in scans for kill in each.kills))


def _is_raised(scan: Scan, line: int) -> bool:
    """Whether the line is that of an exception, which is the job's own, or of one of its tables."""
    return scan.kind is SourceKind.RAY or any(
        raised.line == line for traceback in scan.tracebacks for raised in traceback.raised
    )


def _has_left(fields: Fields) -> bool:
    """Whether tasks of the job had not finished when its driver left."""
    return fields.own is not None and fields.own.left > 0


def _is_certain(clue: Clue) -> bool:
    return clue.certainty is Certainty.CERTAIN and clue.role is ClueRole.CAUSE and not clue.repaired


def _is_no_cause(clue: Clue) -> bool:
    """Whether it only tells that something ended with the job."""
    return clue.code == UNKNOWN


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


def _conclude_stopped(
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
    why = _conclude_found(codes, fields, scans, Weighed(first, (first,)), first, unavailable)
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


def _conclude_found(
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
    return Diagnosis(
        code.code,
        told.title,
        told.sentence,
        primary.certainty,
        code.code_class,
        primary.rule,
        evidence,
        tuple(
            CauseStep(clue.code, told.sentence if clue is primary else codes[clue.code].sentence, clue.evidence)
            for clue in weighed.chain
        ),
        _list_candidates(codes, weighed),
        told.advice,
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
    has_left = weighed.primary is not None and _is_no_cause(weighed.primary)
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
        _list_candidates(codes, weighed),
        told.advice,
        code.docs or None,
        tuple(unavailable),
    )
