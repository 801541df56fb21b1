"""Tracebacks whose last line is not in the excerpt, and what is told of them."""

from __future__ import annotations

import pytest

from serve_app.jobs.diagnosis.engine.diagnose import diagnose
from serve_app.jobs.diagnosis.log.lines import parse_line
from serve_app.jobs.diagnosis.log.tracebacks import read_traceback
from serve_app.jobs.diagnosis.models import Diagnosis, Fields, SourceKind, TextSource

CELL = "KeyError                    Traceback (most recent call last)\n<ipython-input-2-ab> in <module>\n----> 1 f()\n"
LOOSE = '  File "a.py", line 9, in <module>\n    run()\n  File "a.py", line 3, in run\n'
HEAD = "Traceback (most recent call last):\n"
PACKAGES = "/v/lib/python3.11/site-packages"
FRAMES = (
    'Traceback (most recent call last):\n  File "a.py", line 9, in <module>\n    run()\n  File "a.py", line 3, in run\n'
)


def _of(text: str) -> Diagnosis:
    return diagnose(Fields(), [TextSource("log", SourceKind.FILE, [text.encode()])])


@pytest.mark.parametrize(
    ("text", "type", "line", "is_cut"),
    [
        (CELL, "KeyError", 1, True),
        (CELL + "\nKeyError: 'a'\n", "KeyError", 5, False),
        (FRAMES + "    raise ValueError(\n", "ValueError", 5, True),
        (FRAMES + "    raise errors.NoSuchTable from error\n", "errors.NoSuchTable", 5, True),
        (FRAMES + "    assert rows\n", "AssertionError", 5, True),
        (FRAMES + "    raise value\n", None, 0, False),
        (FRAMES + "    file.write(rows)\nOSErro", None, 0, False),
        (FRAMES + "    file.write(rows)\nOSError", "OSError", 6, False),
    ],
)  # fmt: skip
def test_the_exception_of_a_cut_traceback(text: str, type: str | None, line: int, is_cut: bool) -> None:
    read = read_traceback((number, parse_line(each.encode())) for number, each in enumerate(text.splitlines(), 1))
    assert [(each.type, each.line, each.is_cut) for each in read.raised] == ([(type, line, is_cut)] if type else [])


@pytest.mark.parametrize(
    ("text", "code", "certainty"),
    [
        (FRAMES + "    assert rows\n", "app.exception", "possible"),
        (LOOSE + "    raise ValueError(\n", "app.exception", "possible"),
        (LOOSE + "    rows.append(1)\n", "unknown", None),
        # No frames: it may be a part of more.
        ("ValueError: no rows\n", "app.exception", "likely"),
        (FRAMES + "    load()\nValueError: no rows\n", "app.exception", "certain"),
        # Frames of libraries alone do not show who called.
        (
            f'{HEAD}  File "{PACKAGES}/pandas/io.py", line 3, in read\n    f()\nValueError: no\n',
            "app.exception",
            "possible",
        ),
        # Ray's own process, and no program in it.
        (
            f'{HEAD}  File "{PACKAGES}/ray/dashboard/utils.py", line 3, in f\n    handle()\n'
            f'  File "{PACKAGES}/ray/dashboard/modules/node/node_head.py", line 9, in g\n    ip = q["ip"]\n'
            "KeyError: 'ip'\n",
            "ray.internal-error",
            "possible",
        ),
        ("pyarrow.lib.ArrowInvalid: URI has empty scheme: 'out'\n", "app.exception", "likely"),
    ],
)  # fmt: skip
def test_what_is_said_of_an_excerpt(text: str, code: str, certainty: str | None) -> None:
    found = _of(text)
    assert (found.code, found.certainty) == (code, certainty)


def test_what_a_driver_raised_is_not_what_ray_tells_after_its_end() -> None:
    """Ray tells later of the same error in a task that nobody asked for: it is none that the driver's came from."""
    told = "ERROR worker.py:405 -- Unhandled error (suppress with 'RAY_IGNORE_UNHANDLED_ERRORS=1'): "
    task = 'ray::Reader.open() (pid=7, ip=10.0.0.1)\n  File "a.py", line 4, in open\n    f(a=1)\n'
    error = "TypeError: f() got an unexpected keyword argument 'a'\n"
    found = _of(f"{FRAMES}    f(a=1)\n{error}{told}{task}{error}")
    assert (found.code, found.evidence[0].line) == ("app.exception", 6)


def test_what_python_ignores_at_the_end_is_no_failure() -> None:
    text = (
        "2024-01-02 03:04:05,678\tINFO worker.py:1724 -- Started a local Ray instance.\n"
        "Exception ignored in: <function Reader.__del__ at 0x7f2764ab80>\nTraceback (most recent call last):\n"
        '  File "/v/lib/python3.8/site-packages/ray/actor.py", line 834, in __del__\n'
        "AttributeError: 'NoneType' object has no attribute 'worker'\n"
    )
    assert _of(text).code is None
    assert _of(text.replace("\n", "\n\n")).code is None
    assert _of(text + "[1]    31008 segmentation fault (core dumped)  python a.py\n").code == "app.native-crash"
