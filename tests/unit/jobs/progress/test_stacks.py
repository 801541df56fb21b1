"""Stacks as py-spy dumps them."""

from __future__ import annotations

import pytest

from serve_app.jobs.progress.stacks import (
    MOST_CHARS,
    NO_PROCESS,
    NOT_INSTALLED,
    NOT_PERMITTED,
    explain_refusal,
    find_place,
    normalize_stack,
    render_stack,
)
from tests.unit.jobs.progress.examples import DUMP

SHOWN = render_stack(DUMP)
RAY = "ray/_private/worker.py"


def test_what_is_shown_has_no_command_line_and_no_secret() -> None:
    assert SHOWN.splitlines()[0] == 'Thread 7 (idle): "MainThread"'
    assert "canary" not in SHOWN
    assert "canary" not in render_stack('Thread 1 (idle): "token=canary"\n    f (x.py:1)\n')


def test_it_is_bounded() -> None:
    many = DUMP + "    f (x.py:1)\n" * 100_000
    assert len(render_stack(many)) <= MOST_CHARS
    assert max(len(line) for line in render_stack("Thread 1 (idle)\n    " + "f" * 9_000).splitlines()) == 300


def test_what_is_compared() -> None:
    assert normalize_stack(SHOWN).splitlines() == [
        "Thread MainThread",
        "    Worker.get_objects (ray/_private/worker.py:1007)",
        "    get (ray/_private/worker.py:3009)",
        "    <module> (train.py:25)",
    ]


def test_two_threads_of_the_program() -> None:
    both = SHOWN + '\nThread 11 (active): "loader"\n    read (x.py:3)\nThread 12 (idle)\n    wait (y.py:4)'
    assert normalize_stack(both).splitlines()[-4:] == [
        "Thread loader", "    read (x.py:3)", "Thread without a name", "    wait (y.py:4)",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("stack", "place"),
    [
        (SHOWN, f"Worker.get_objects ({RAY}:1007) < <module> (train.py:25)"),
        ('Thread 1 (active): "MainThread"\n    <module> (a.py:1)', "<module> (a.py:1)"),
        ('Thread 1 (idle): "MainThread"\nThread 2 (idle): "b"\n    f (b.py:2)', "f (b.py:2)"),
        ("Thread 1 (idle)\n    f (ray/a.py:1)\n    g (ray/b.py:2)", "f (ray/a.py:1)"),
        ("Thread 1 (idle)\n    wait (threading.py:1)\n    g (x.py:2)", "wait (threading.py:1)"),
        ("", "no Python frame"),
    ],
)
def test_the_place(stack: str, place: str) -> None:
    assert find_place(stack) == place


FAILED = "Failed to execute `['/x/py-spy', 'dump', '-p', '9']`.\n\n=== stderr ===\n{}\n\n=== stdout ===\n\n"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("Failed to execute: py-spy is not installed", NOT_INSTALLED),
        (FAILED.format("Error: Permission Denied: Try running again with elevated permissions"), NOT_PERMITTED),
        (FAILED.format("Error: Operation not permitted (os error 1)"), NOT_PERMITTED),
        (FAILED.format("Error: Failed to get process executable name. Check that the process is running."), NO_PROCESS),
        ("Failed to get agent address for node at node_id 00", "Ray knows no agent of that node"),
        (FAILED.format("Error: something else with token=canary"), "Error: something else with token=[redacted]"),
        ("", "Ray did not say why"),
    ],
)
def test_why_there_is_none(answer: str, why: str) -> None:
    assert explain_refusal(answer) == why
