"""Where a run begins in a log that Ray appends to, and what of the log Ray's message quotes. Pure.

The log of a submission is ``job-driver-<id>.log``. A job that was deleted and submitted again with its id writes into
the same file, and the message of its failure quotes the last ten lines of that file, whoever wrote them.
"""

from __future__ import annotations

import re
from mmap import mmap

# What introduces the log in a message (ray/dashboard/modules/job/job_supervisor.py).
LOG_FOLLOWS = "last available logs (truncated to 20,000 chars):"
# Ray's first line of a run (ray/dashboard/modules/job/job_manager.py), in the file on the head alone.
_SET_UP = b"Runtime env is setting up."
_SETTING_UP = re.compile(
    rb"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3})\tINFO job_manager\.py:\d{1,6} -- " + re.escape(_SET_UP)
)
_MOST_LINE_BYTES = 100
_ENTRYPOINT = b"Running entrypoint for job "
# Lines of a log that are Ray's.
OF_RAY = re.compile(r"INFO (?:job_manager|worker)\.py:|^Running entrypoint for job ")


def build_mark(submission_id: str) -> bytes:
    """What the line begins with that Ray's supervisor writes when it starts the command, once in each run. A job that
    submits others and prints their logs has lines of this kind, too, with other ids."""
    return _ENTRYPOINT + f"{submission_id}: ".encode(errors="replace")


def find_set_up(data: bytes | mmap) -> int | None:
    """Where in these bytes the line is with which a run began that has not got to its command, if it is the last."""
    # The last command; in what stands before, each run has its own.
    since = data.rfind(b"\n" + _ENTRYPOINT) + 1
    at = data.rfind(_SET_UP, since)
    while at >= 0:
        low, end = max(since, at - _MOST_LINE_BYTES), at + len(_SET_UP)
        line = data.rfind(b"\n", low, at) + 1 or low
        begins, ends = line in (0, since) or data[line - 1 : line] == b"\n", data[end : end + 1] in (b"", b"\n", b"\r")
        if begins and ends and _SETTING_UP.fullmatch(data[line:end]):
            return line
        at = data.rfind(_SET_UP, since, at)
    return None


def find_run_begin(data: bytes, submission_id: str) -> int | None:
    """Where in these bytes, which begin with a line, the last run in them begins; None when none is known to.

    Ray writes the line that names the command into a buffer and starts the command before that is written, so a quick
    program is ahead of it: where Ray's first line is not there, what stands before may be this run's.
    """
    # A run whose environment could not be set up has no other line.
    if (set_up := find_set_up(data)) is not None:
        return set_up
    mark = build_mark(submission_id)
    at = data.rfind(b"\n" + mark) + 1
    if at == 0 and not data.startswith(mark):
        return None
    # What was written of its environment comes between the two, and no command: that line would be of a run before.
    since = data.rfind(b"\n" + _ENTRYPOINT, 0, max(0, at - 1)) + 1
    since = 0 if since == 0 and not data.startswith(_ENTRYPOINT) else data.find(b"\n", since) + 1
    last = data.rfind(_SET_UP, since, at)
    # A run before may have left its last line without an end, so this one need not begin a line.
    found = None if last < 0 else _SETTING_UP.search(data, max(since, last - _MOST_LINE_BYTES), last + len(_SET_UP))
    if found is not None:
        return found.start()
    # On another node than the head there is no first line, and each run has but the second.
    has_run_before = data.startswith(mark) or data.find(b"\n" + mark) + 1 != at
    return at if has_run_before and at > 0 else None


def find_first_time(data: bytes) -> str | None:
    """When the first run of a log began, by the clock of its node, as ``2026-01-31 12:00:00,000``."""
    found = _SETTING_UP.match(data)
    return None if found is None else found[1].decode()


def cut_message(message: str, submission_id: str | None) -> str:
    """Ray's message without the lines of earlier runs in the log that it quotes."""
    head, quoted, log = message.partition(LOG_FOLLOWS)
    if not quoted or submission_id is None:
        return message
    data = log.lstrip("\r\n").encode(errors="surrogatepass")
    begin = find_run_begin(data, submission_id)
    if not begin:
        return message
    return f"{head}{quoted}\n{data[begin:].decode(errors='surrogatepass')}"


def find_last_line(message: object) -> str:
    """The last line of the log that a message quotes, Ray's own aside; empty when it quotes none."""
    _, quoted, log = str(message).partition(LOG_FOLLOWS)
    told = [line.strip() for line in log.splitlines()] if quoted else []
    lines = [line for line in told if line and not OF_RAY.search(line)]
    return lines[-1] if lines else ""
