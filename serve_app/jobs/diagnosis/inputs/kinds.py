"""What a text is: a driver's log, the output of a tool, a notebook, or no log at all. Pure.

A kind is there when one of its marks is: a line that only that tool writes, in any version. A text may be of several.
What is none of them is a program's own output, unless its lines are those of prose, a page or source code.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from serve_app.jobs.diagnosis.inputs.marks import (
    CODE,
    DRIVER_LOG,
    KINDS,
    LOG_LIKE,
    OUTPUT,
    PAGE,
    PROCESS_LOG,
    SENTENCE,
    SURE_CODE,
    TextKind,
)

# So many lines at the begin and at the end of a text are looked at.
_MOST_LINES = 400
_MOST_CHARS = 500
# What quotes whole errors in its rows.
_OF_ROWS = frozenset({"state-api", "serve-status"})
_SAME_DIGITS = str.maketrans("123456789", "000000000")
_LOGGED = re.compile(r"\s{0,8}(?:\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[,.]\d|\([\w:. ]{0,100}\bpid=\d)")
_WROTE = re.compile(
    r"\s*Traceback \(most recent|\d{4}-\d\d-\d\d \d\d:\d\d|\(\w[^()]{0,200}pid=\d|\w{0,80}(?:Error|Exception): "
)


def find_kinds(lines: Sequence[str]) -> tuple[str, ...]:
    """What the lines are of, in the order of ``KINDS``; empty for what is no log that is known."""
    chosen = [*lines[:_MOST_LINES], *lines[max(_MOST_LINES, len(lines) - _MOST_LINES) :]]
    written = [line[:_MOST_CHARS] for line in chosen if line.strip()]
    if not written:
        return ()
    # Lines that differ in their numbers alone are of one kind.
    kept = tuple(dict.fromkeys(line.translate(_SAME_DIGITS) for line in written))
    found = tuple(kind.name for kind in KINDS if _is_there(kind, kept))
    if found == (DRIVER_LOG,) and _is_code(written) and not _has_log_line(written):
        return ()
    return found or (() if _is_no_log(written) else (OUTPUT,))


def is_table(kinds: Sequence[str], lines: Sequence[str] = ()) -> bool:
    """Whether the text says how things stand, and not what happened one after the other.

    A message in it may quote a traceback; a line with a time, or with the name of a process before it, is of a log.
    """
    told = set(kinds)
    if not told or told & {PROCESS_LOG, OUTPUT}:
        return False
    if DRIVER_LOG not in told:
        return True
    return bool(told & _OF_ROWS) and not any(_LOGGED.match(line) for line in lines)


def _is_there(kind: TextKind, lines: Sequence[str]) -> bool:
    if any(kind.marks.search(line) for line in lines):
        return True
    return sum(any(hint.search(line) for line in lines) for hint in kind.hints) >= 2


def _has_log_line(lines: Sequence[str]) -> bool:
    return any(_WROTE.match(line) for line in lines)


def _is_no_log(lines: Sequence[str]) -> bool:
    return PAGE.match(lines[0]) is not None or _is_code(lines) or _is_prose(lines)


def _is_code(lines: Sequence[str]) -> bool:
    if not any(SURE_CODE.match(line) for line in lines):
        return False
    return sum(CODE.match(line) is not None for line in lines) >= 0.4 * len(lines)


def _is_prose(lines: Sequence[str]) -> bool:
    """Whether most of it are sentences, and hardly a line looks like one of a log."""
    text = " ".join(lines)
    if len(text.split()) < 12:
        return False
    sentences = sum(SENTENCE.search(line) is not None for line in lines)
    return sentences >= 0.6 * len(lines) and sum(LOG_LIKE.search(line) is not None for line in lines) <= 0.2 * len(
        lines
    )
