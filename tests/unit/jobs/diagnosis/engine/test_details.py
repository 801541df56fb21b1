"""The first line that a person reads: the cause in words, with what it is about."""

from __future__ import annotations

import pytest

from serve_app.jobs.diagnosis.engine.details import find_detail
from serve_app.jobs.diagnosis.engine.diagnose import diagnose
from serve_app.jobs.diagnosis.models import Fields, ProgramError, SourceKind, TextSource
from serve_app.jobs.diagnosis.words.terminal import render_diagnosis

KEY = ProgramError("KeyError", "'label'", "/srv/train.py", 33, "fit", None, "missing-key")


@pytest.mark.parametrize(
    ("code", "quote", "program", "detail"),
    [
        ("app.import-error", "ModuleNotFoundError: No module named 'pandas'", None, "pandas"),
        ("app.import-error", "ImportError: cannot import name 'f' from 'a.b'", None, "f of a.b"),
        ("app.data-access", "FileNotFoundError: [Errno 2] No such file or directory: '/x/y.csv'", None, "/x/y.csv"),
        ("app.exception", "KeyError: 'label'", KEY, "KeyError: 'label' (train.py:33)"),
        ("gpu.out-of-memory", "CUDA out of memory. Tried to allocate 2.00 GiB.", None, "Tried to allocate 2.00 GiB"),
        ("scheduling.waiting", "It requires {GPU: 1} for placement", None, "{GPU: 1}"),
        ("scheduling.placement-group", "Waiting for 310 seconds. specs=[{'GPU': 1.0}]", None, "{'GPU': 1.0}"),
        ("env.pip-failed", "ERROR: No matching distribution found for nosuch==9", None, "nosuch==9"),
        ("gcs.unreachable", "Failed to connect to GCS at address 10.0.0.1:6379", None, "10.0.0.1:6379"),
        ("serve.unschedulable", "Deployment ''Ranker'' has 1 replicas", None, "Ranker"),
        ("gpu.hardware", "NVRM: Xid (PCI:0000:3b:00): 79, pid=4", None, "Xid (PCI:0000:3b:00): 79"),
        # Where the evidence has no word for it there is none.
        ("app.import-error", "ImportError: odd", None, ""),
        ("actor.died", "The actor died", None, ""),
    ],
)
def test_what_a_cause_is_about(code: str, quote: str, program: ProgramError | None, detail: str) -> None:
    assert find_detail(code, quote, program) == detail


def test_a_detail_is_bounded_and_in_one_line() -> None:
    long = ProgramError("ValueError", "row " * 90, None, None, None, None, "value")
    detail = find_detail("app.exception", "", long)
    assert len(detail) <= 130
    assert "\n" not in detail


def test_the_first_line_on_a_terminal_is_the_cause_and_says_that_it_waits() -> None:
    text = b"WARNING worker.py:9 -- The actor or task with ID 01 cannot be scheduled right now. It requires {GPU: 1}\n"
    found = diagnose(Fields(), [TextSource("a.log", SourceKind.FILE, [text])])
    assert render_diagnosis(found, "a.log").split("\n")[0] == (
        "a.log: a request that waits for resources: {GPU: 1} (scheduling.waiting; possible; it waits; "
        "helps once the cluster has room)"
    )
