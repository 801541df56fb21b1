"""Where a run begins in a log with several, as Ray 2.60 writes it."""

from __future__ import annotations

import pytest

from serve_app.jobs.judging.run_marks import (
    LOG_FOLLOWS,
    cut_message,
    find_first_time,
    find_last_line,
    find_run_begin,
)

FIRST = b"2026-11-27 12:00:00,123\tINFO job_manager.py:581 -- Runtime env is setting up.\n"
AGAIN = b"2026-11-27 12:00:28,007\tINFO job_manager.py:581 -- Runtime env is setting up.\n"
RUN = b"Running entrypoint for job nightly: python a.py\n"
CHILD = AGAIN + b"Running entrypoint for job child-1: python b.py\nof the child\n"


@pytest.mark.parametrize(
    ("before", "run"),
    [
        (b"", FIRST + RUN + b"one\n"),
        (FIRST + RUN + b"one\n", AGAIN + RUN + b"two\n"),
        (FIRST + RUN + b"one\n" + AGAIN + RUN + b"two\n", AGAIN + RUN + b"three\n"),
        # What sets the environment up writes there, too.
        (FIRST + RUN + b"one\n", AGAIN + b"installing numpy\n" + RUN + b"two\n"),
        # A last line without an end.
        (FIRST + RUN + b"no end", AGAIN + RUN + b"two\n"),
        # On another node than the head Ray writes the second line alone.
        (RUN + b"one\n", RUN + b"two\n"),
        # A program may be quicker than the line that names it.
        (FIRST + RUN + b"one\n", AGAIN + b"two\nthree\n" + RUN + b"four\n"),
        # A job that submits others prints what Ray wrote of those.
        (b"", FIRST + RUN + CHILD),
        (FIRST + RUN + CHILD, AGAIN + RUN + b"two\n" + CHILD),
        (RUN + CHILD, RUN + b"two\n"),
        # An entrypoint of several lines, and one that looks like the mark of another.
        (FIRST + RUN, AGAIN + b"Running entrypoint for job nightly: echo 'a\nRunning entrypoint for job x: b'\n"),
        # A run that never got to its command, and one after another.
        (FIRST + RUN + b"one\n", AGAIN + b"no such package\n"),
        (FIRST + RUN + b"one\n" + FIRST + b"no such package\n", AGAIN.rstrip()),
        (RUN + CHILD, AGAIN),
        (b"end of before\n", AGAIN + b"quicker than the line that names it\n"),
        # Text that is like Ray's line and is none.
        (
            FIRST + RUN + b"one\n",
            AGAIN + b"see: " + FIRST + FIRST.rstrip() + b" Again.\n" + b"Runtime env is setting up.",
        ),
    ],
)
def test_the_last_run_begins(before: bytes, run: bytes) -> None:
    assert find_run_begin(before + run, "nightly") == len(before)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"one\ntwo\n",
        CHILD,
        RUN + b"one\n",
        b"one\n" + RUN + b"two\n",
        b"see: Running entrypoint for job nightly: python a.py\n",
        b"Running entrypoint for job nightly-2: python a.py\n",
        b"Running entrypoint for job x: nightly: python a.py\n",
        RUN + b"x" + FIRST + b"Runtime env is setting up.\n" + b"y" * 200 + FIRST,
    ],
)
def test_no_run_begins_here(data: bytes) -> None:
    assert find_run_begin(data, "nightly") is None


def test_ids_that_are_odd() -> None:
    for id in ("a b/c", "täglich", "x: y", "x" * 300):
        mark = f"Running entrypoint for job {id}: run\n".encode()
        assert find_run_begin(FIRST + mark + b"one\n" + AGAIN + mark, id) == len(FIRST + mark + b"one\n")


def test_when_a_log_begins() -> None:
    assert find_first_time(FIRST + RUN) == "2026-11-27 12:00:00,123"
    assert find_first_time(RUN) is None


def quote(log: bytes) -> str:
    return f"Job entrypoint command failed with exit code 3, {LOG_FOLLOWS}\n{log.decode()}"


@pytest.mark.parametrize(
    ("message", "id", "wanted", "last"),
    [
        # The fault as it was reported: the second run wrote nothing, so Ray quotes the first.
        (
            quote(RUN + b"ModuleNotFoundError: No module named 'fastshard'\n" + AGAIN + RUN),
            "nightly",
            quote(AGAIN + RUN),
            "",
        ),
        (quote(RUN + b"one\n" + RUN + b"two\n"), "nightly", quote(RUN + b"two\n"), "two"),
        (quote(b"one\ntwo\n"), "nightly", quote(b"one\ntwo\n"), "two"),
        (quote(FIRST + RUN + b"one\n"), "nightly", quote(FIRST + RUN + b"one\n"), "one"),
        # A program that was quicker than Ray's line.
        (quote(b"one\ntwo\n" + RUN), "nightly", quote(b"one\ntwo\n" + RUN), "two"),
        (quote(b"one\n" + AGAIN + b"two\n" + RUN), "nightly", quote(AGAIN + b"two\n" + RUN), "two"),
        (quote(RUN + b"one\n" + RUN + b"two\n"), None, quote(RUN + b"one\n" + RUN + b"two\n"), "two"),
        (
            quote(RUN + b"one\n" + AGAIN + b"no such package\n"),
            "nightly",
            quote(AGAIN + b"no such package\n"),
            "no such package",
        ),
        ("Failed to start supervisor\nTraceback", "nightly", "Failed to start supervisor\nTraceback", ""),
    ],
)
def test_a_message_is_of_one_run(message: str, id: str | None, wanted: str, last: str) -> None:
    assert cut_message(message, id) == wanted
    assert find_last_line(wanted) == last


def test_no_message_has_no_last_line() -> None:
    assert find_last_line(None) == ""
