"""How a log goes on after a line, and how it ends: whether a failure in it was repaired, or was the end. Pure.

A program that goes on for many lines after an error, or says that it is done, has survived it. Only the last lines of a
log are known here; what is before them was survived unless what follows shows otherwise.
"""

from __future__ import annotations

import re

from serve_app.jobs.diagnosis.engine.scan import Scan, TailLine
from serve_app.jobs.diagnosis.log.tracebacks import HEAD

# So many ordinary lines after an error, and the program has gone on.
MANY_LINES = 12
_SYSTEM_STREAM = re.compile(r"\((?:raylet|gcs_server|autoscaler|scheduler|dashboard)\b")
_RAY_INTERNAL = re.compile(r"^\[[\d-]+ [\d:,.]+ [A-Z] \d+ \d+\]")
_DONE = re.compile(
    r"\b(?:completed|complete|finished|succeeded|successful(?:ly)?|success|done|all good|ready|converged|exported|saved"
    r"|recovered|passed)\b|\b100%|exit(?:ed)?(?: with)?(?: code| status)? 0\b|\bfinal\b.{0,60}[:=]",
    re.IGNORECASE,
)
_FINAL = re.compile(
    r"\bfinal (?:\w+ ){0,3}(?:metrics?|results?|score|loss|accuracy|reward)\b"
    r"|\b(?:training|experiment|evaluation|job|run|trials?|pipeline) (?:is |has |was )?(?:completed?|finished|done)\b",
    re.IGNORECASE,
)
_QUIET = re.compile(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{1,6} [DIW] \d+ \d+\]")
_NEAR_LINES = 40
_LOOKED_AT_CHARS = 600
_NOT_DONE = re.compile(
    r"\b(?:not|never|un\w+|n't|without|before|until|only|error|errors|fail\w*|exception|abort\w*|incomplete|cannot)\b"
    r"|shut ?down|shutting|server process|\bwaiting\b|\bterminat\w+|\bexiting\b|\bclean\w*"
    r"|\bnot (?:complete|ready|finished)"
    # Communicators of NCCL are also destroyed, and aborted, completely.
    r"|NCCL INFO"
    r"|\b(?:rc|exit(?:ed)?(?: with)?(?: code| status)?|return(?:ed)? code)[ =:]{1,3}(?:-?[1-9]\d*)\b",
    re.IGNORECASE,
)
_FAILURE_WORD = re.compile(
    r"\b(?:error|errors|failed|failure|fatal|panic|exception|traceback|aborted|aborting|crashed|killed|terminated"
    r"|core dumped)\b"
    r"|[a-z](?:Error|Exception)\b",
    re.IGNORECASE,
)
_NO_FAILURE = re.compile(
    r"\b(?:0|no|zero|without(?: any)?|non-?fatal|ignor\w+|handled|recovered|retry\w*|retried|expected) (?:\w+ )?"
    r"(?:error|errors|failed|failure|failures|exceptions?)\b"
    r"|\b(?:errors?|failed|failures?|exceptions?)(?:_\w+|[ _]?(?:count|rate|ratio))?[\"']?\s{0,4}[:=|]\s{0,4}"
    r"(?:[\d.,e+-]+\b|none|null|false|\[\]|\{\}|n/?a)"
    r"|\berror\s{1,3}\d{1,3}\.\d"
    r"|\b(?:errors?|failed|failures?)\b[^:=]{0,60}[:=]\s?0\b"
    r"|\b(?:errors?|exception) (?:rate|bars?|handl\w+|budget|margin|term|metric|log)\b|\b0 failed|\berror[-_ ]free"
    r"|\bwill (?:be )?retr(?:y|ied)\b|\bretrying\b|\btrying again\b"
    r"|\bDeprecationWarning|\bFutureWarning|\bUserWarning|\bINFO\b|\bDEBUG\b",
    re.IGNORECASE,
)
# One of these is in what the patterns before this find: looking for them costs a tenth of searching.
_FAILURE_PARTS = (
    "error",
    "exception",
    "fail",
    "fatal",
    "panic",
    "traceback",
    "abort",
    "crash",
    "kill",
    "terminated",
    "core dumped",
)
_DONE_PARTS = (
    "complete",
    "finish",
    "succe",
    "done",
    "all good",
    "ready",
    "converged",
    "exported",
    "saved",
    "recovered",
    "passed",
    "100%",
    "exit",
    "final",
    "ignored",
)
_FINAL_PARTS = ("final", "complete", "finished", "done")
# What programs, and Ray's long messages, write after a failure.
_EPILOGUE_BEGIN = re.compile(
    r"- (?:objects|bytes|num) |\(global lru\)|Eviction Stats|Ray killed \d+ worker|Considered workers|Selected to kill"
    r"|Top \d+ memory users|PID\s+MEM|\d+\s+[\d.]+\s+\S|Refer to the doc|OOM kill reason|\s*\^C"
    r"|\s{0,8}(?:@|PC:|#\d)|---+$|===+$|\*{3,}",
    re.IGNORECASE,
)
_EPILOGUE = re.compile(
    r"memory usage: \[|Exception ignored in|ResourceWarning|leaked (?:semaphore|shared_memory)|\bclean(?:ing)? ?up\b"
    r"|shutting down|shutdown|throughput: 0\.0 tokens|wandb:|Stack (?:trace|\(most)"
    r"|\"(?:GET|HEAD) /\S*(?:health|metrics|ping|ready|live)\S* HTTP",
    re.IGNORECASE,
)
_EPILOGUE_PARTS = (
    "memory usage: [",
    "exception ignored",
    "resourcewarning",
    "leaked",
    "clean",
    "shutting down",
    "shutdown",
    "throughput: 0",
    "wandb:",
    "stack",
    " http",
)


# With these begin lines within a traceback, rows of a table, and boxes.
_NO_WORDS = " \t|+╭│╰├"


class Aftermath:
    """The last lines of one source, asked about from different places. ``is_table``: it says how things stand, so that
    no line of it comes after another.
    """

    def __init__(self, scan: Scan, *, is_table: bool = False) -> None:
        self._scan = scan
        self._bad = {hit.line for hit in scan.hits}
        self._ordinary: list[tuple[int, str]] = []
        spans = [(each.begin, each.end, each.stream) for each in scan.tracebacks]
        # A message of Ray is no output of the program, however long it is.
        self._of_ray = {number for kill in scan.kills for number in range(kill.line + 1, kill.end + 1)}
        for each in scan.tail:
            number, line = each.number, each.line
            inside = number in self._of_ray or any(
                begin <= number <= end and stream == line.stream for begin, end, stream in spans
            )
            if not inside and number not in self._bad and self._is_ordinary(number, line.stream, line.text):
                self._ordinary.append((number, line.text))
        self._finals = [each.number for each in scan.tail if _is_final(each.line.text)]
        self._done_at = max((number for number, text in self._ordinary if is_done(text)), default=0)
        self._is_table = is_table

    def count_ordinary_lines(self, line: int) -> int:
        """How many ordinary lines follow this one; what is before the known end is counted as ordinary."""
        if self._is_table:
            return 0
        first = self._scan.tail[0].number if self._scan.tail else 0
        return max(0, first - line) + sum(number > line for number, _ in self._ordinary)

    def find_last_ordinary(self) -> tuple[int, str] | None:
        """Number and text of the last line that the program wrote and that tells of no failure."""
        return self._ordinary[-1] if self._ordinary else None

    def was_done_after(self, line: int) -> bool:
        """Whether the program says after this line that it is done."""
        return self._done_at > line and not self._is_table

    def had_ended_before(self, line: int) -> bool:
        """Whether the program had told its final result shortly before this line, and only its end was left."""
        return any(0 < line - number <= _NEAR_LINES for number in self._finals)

    def select_last_words(self, most: int = 8) -> list[TailLine]:
        """Of the last lines those that tell of a failure, after which the program does not say that it is done."""
        told = [
            each
            for each in self._scan.tail[-30:]
            if each.number not in self._scan.benign
            and each.number not in self._of_ray
            and tells_of_failure(each.line.text)
            and not self.had_ended_before(each.number)
        ]
        open_ones = (each for each in told if not self.was_done_after(each.number))
        return [each for each in open_ones if self.count_ordinary_lines(each.number) < MANY_LINES][-most:]

    def select_last_lines(self, most: int = 3) -> list[TailLine]:
        """The last lines that are not empty, if possible without those of Ray's message about memory."""
        own = [each for each in self._scan.tail if each.number not in self._of_ray]
        return (own or list(self._scan.tail))[-most:]

    def _is_ordinary(self, number: int, stream: str, text: str) -> bool:
        if number in self._scan.benign or _SYSTEM_STREAM.search(stream) or _RAY_INTERNAL.match(text):
            return False
        if not text.strip() or text[:1] in _NO_WORDS or text.startswith("frame #"):
            return False
        if HEAD in text or _EPILOGUE_BEGIN.match(text):
            return False
        if _has_part(text, _EPILOGUE_PARTS) and _EPILOGUE.search(text):
            return False
        return not tells_of_failure(text)


def _has_part(text: str, parts: tuple[str, ...]) -> bool:
    lowered = text.lower()
    return any(part in lowered for part in parts)


def _is_final(text: str) -> bool:
    """Whether a line tells a final result, or that the whole of a run is over."""
    return _has_part(text, _FINAL_PARTS) and _FINAL.search(text) is not None


def is_done(text: str) -> bool:
    """Whether a line says that something has come to its good end."""
    begin = text[:_LOOKED_AT_CHARS]
    if not _has_part(begin, _DONE_PARTS):
        return False
    if "safely ignored" in begin:
        return True
    return _DONE.search(begin) is not None and _NOT_DONE.search(begin) is None


def tells_of_failure(text: str) -> bool:
    """Whether a line has a word of failure that is not taken back by its neighbours."""
    begin = text[:_LOOKED_AT_CHARS]
    if not _has_part(begin, _FAILURE_PARTS) or is_quiet(begin):
        return False
    return _FAILURE_WORD.search(begin) is not None and _NO_FAILURE.search(begin) is None


def is_quiet(text: str) -> bool:
    """Whether a line of Ray's own C++ processes says by its level that it is no error."""
    return _QUIET.match(text) is not None
