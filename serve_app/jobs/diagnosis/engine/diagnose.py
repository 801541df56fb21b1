"""Why a job failed: from its row and its texts to one code with its evidence. Pure but for reading the sources."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from serve_app.jobs.diagnosis.catalogue.built_in import load_built_in
from serve_app.jobs.diagnosis.catalogue.catalogue import Catalogue, ClueRole
from serve_app.jobs.diagnosis.engine.aftermath import Aftermath, is_done
from serve_app.jobs.diagnosis.engine.circles import find_circles
from serve_app.jobs.diagnosis.engine.clues import Clue, find_clues_in_fields, find_clues_in_scan
from serve_app.jobs.diagnosis.engine.conclusions import (
    conclude_found,
    conclude_no_log,
    conclude_stopped,
    conclude_success,
    conclude_unknown,
    is_no_cause,
    list_candidates,
)
from serve_app.jobs.diagnosis.engine.field_rules import complete_fields, find_clues, is_failure, is_success
from serve_app.jobs.diagnosis.engine.owner import OwnerJudge, Shown, collect_shown
from serve_app.jobs.diagnosis.engine.rank import Weighed, explain_doubt, list_caught, weigh
from serve_app.jobs.diagnosis.engine.scan import Scan, scan
from serve_app.jobs.diagnosis.inputs.reading import Input, list_kinds, read_input, restore_quotes
from serve_app.jobs.diagnosis.log.frames import read_frames
from serve_app.jobs.diagnosis.models import (
    UNKNOWN,
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
# Exit codes that a program chooses itself: not those of the shell, of signals, or of wrong usage.
_OWN_EXIT_CODES = frozenset({1, *range(3, 126), 255})
_OWN_ERROR = re.compile(r"\b(?:ERROR|FATAL|CRITICAL|PANIC)\b|\b(?:error|fatal|panic)\b(?:\[\w+\])?: ", re.ASCII)
_LAST_LINES = 5
# For what is asked for in vain a job waits until somebody stops it.
_DEMAND = "demand-of-tasks"
_NEVER = "More is asked for than all nodes that are shown have together"
_WAITS = frozenset({"scheduling.infeasible"})


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
    inputs = [read_input(source) for source in _add_message(fields, list(sources))]
    found = _conclude(fields, inputs, catalogue, unavailable)
    if all(each.is_no_log for each in inputs) and inputs and _is_untold(fields, found):
        found = conclude_no_log(catalogue.codes, unavailable)
    found = replace(found, read_as=list_kinds(inputs))
    return restore_quotes(found, inputs)


def _is_untold(fields: Fields, found: Diagnosis) -> bool:
    """Whether neither the row nor the texts tell of anything."""
    return found.code in (None, UNKNOWN) and fields.status is None and not is_failure(fields) and fields.own is None


def _conclude(fields: Fields, inputs: Sequence[Input], catalogue: Catalogue, unavailable: Sequence[str]) -> Diagnosis:
    scans = [scan(each.source, catalogue) for each in inputs]
    endings = [Aftermath(each, is_table=told.is_table) for each, told in zip(scans, inputs, strict=True)]
    fields = complete_fields(fields, _find_ray_sentence(scans))
    clues = find_clues_in_fields(find_clues(fields))
    owners = OwnerJudge(fields.own, _collect_shown(fields, scans))
    for number, (each, ending) in enumerate(zip(scans, endings, strict=True)):
        clues += find_clues_in_scan(number, each, ending, owners, has_ended=fields.status not in OPEN_STATUSES)
    clues = [_judge_demand(clue, inputs) for clue in clues]
    # What was seen while it ran may have been told by a signature that a team has taken back since.
    circles = [each for each in find_circles(fields, scans, endings) if each.code in catalogue.codes]
    if is_success(fields):
        return conclude_success("Ray says that it succeeded.", unavailable)
    if fields.status == "STOPPED":
        waits = [clue for clue in clues if clue.code in _WAITS and _is_certain(clue)]
        return conclude_stopped(catalogue.codes, fields, scans, [*circles, *waits], unavailable)
    caught = list_caught(clues) if fields.status in OPEN_STATUSES else []
    clues = [*(clue for clue in clues if clue not in caught), *circles]
    words = [(scans[number], ending.select_last_words()) for number, ending in enumerate(endings)]
    has_failed = is_failure(fields)
    # The end of what a job that goes on has written is no end of it when it had gone on from the same before.
    ends_badly = (any(told for _, told in words) or _is_cut_in_frames(scans)) and not caught
    weighed = weigh(clues, has_failed=has_failed or ends_badly)
    primary = weighed.primary
    # What says no cause, or may be another job's, gives way to the program's own last words.
    is_vague = primary is None or primary.doubt or is_no_cause(primary)
    own = _find_own_words(fields, scans, endings) if is_vague and not caught else None
    if own is not None:
        first = [(primary, explain_doubt(primary))] if primary is not None and primary.doubt else []
        instead = Weighed(own, (own,), (), (*first, *weighed.others))
        return conclude_found(catalogue.codes, fields, scans, instead, own, unavailable)
    if primary is not None and not is_no_cause(primary):
        return conclude_found(catalogue.codes, fields, scans, weighed, primary, unavailable)
    if primary is not None or has_failed or ends_badly or _has_left(fields):
        return conclude_unknown(catalogue.codes, fields, scans, endings, weighed, unavailable)
    said = "" if fields.own is not None else _describe_end(inputs, scans, endings)
    return conclude_success(said, unavailable, list_candidates(catalogue.codes, weighed))


def _judge_demand(clue: Clue, inputs: Sequence[Input]) -> Clue:
    """A demand that waits, or that can never be met by what the same text shows of the cluster."""
    if clue.source < 0 or clue.rule != _DEMAND or clue.line not in inputs[clue.source].impossible:
        return clue
    return replace(clue, code="scheduling.infeasible", sentence=_NEVER)


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


def _find_ray_sentence(scans: Sequence[Scan]) -> str:
    """Lines among the last in which Ray tells the exit code."""
    return "\n".join(
        last.line.text for each in scans for last in each.tail if "failed with exit code" in last.line.text
    )


def _is_cut_in_frames(scans: Sequence[Scan]) -> bool:
    """Whether a log that somebody sent ends within a traceback whose first line is not in it."""
    return any(
        read_frames([each.line.text]) and each.line.text.lstrip().startswith("File ") and each.number not in scan.benign
        for scan in scans
        if scan.kind is SourceKind.FILE
        for each in scan.tail[-3:]
    )


def _describe_end(inputs: Sequence[Input], scans: Sequence[Scan], endings: Sequence[Aftermath]) -> str:
    """What is said where one log that somebody sent has nothing wrong and stops without an end; else nothing."""
    if len(inputs) != 1 or inputs[0].source.kind is not SourceKind.FILE or inputs[0].is_table or not scans[0].tail:
        return ""
    last = endings[0].find_last_ordinary()
    ends = last is not None and is_done(last[1]) and last[0] == scans[0].tail[-1].number
    return "" if ends else "Nothing is wrong up to its last line; it may be cut, for it does not tell its end."


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
