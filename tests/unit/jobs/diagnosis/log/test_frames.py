"""Where in the user's own code an exception was raised, and what sort of mistake it is."""

from __future__ import annotations

import pytest

from serve_app.jobs.diagnosis.engine.diagnose import diagnose
from serve_app.jobs.diagnosis.log.frames import choose_kind
from serve_app.jobs.diagnosis.models import PROGRAM_KINDS, Fields, ProgramError, SourceKind, TextSource

PACKAGES = "/opt/venv/lib/python3.11/site-packages"
DRIVER = (
    "Traceback (most recent call last):\n"
    '  File "/srv/train.py", line 33, in <module>\n    rows = load("x.csv")\n'
    '  File "/srv/rows.py", line 7, in load\n    return pd.read_csv(path)\n'
)
PANDAS = (
    f'  File "{PACKAGES}/pandas/io/parsers/readers.py", line 912, in read_csv\n    return _read(path)\n'
    f'  File "{PACKAGES}/pandas/io/common.py", line 873, in get_handle\n    handle = open(\n'
)
CELLS = (
    "---------------------------------------------------------------------------\n"
    "KeyError                                  Traceback (most recent call last)\n"
    "Cell In[3], line 7\n      5 rows = load()\n      6 \n----> 7 fit(rows)\n\n"
    "File ~/work/fit.py:12, in fit(rows)\n     10 def fit(rows):\n---> 12     return rows['label']\n\n"
    "KeyError: 'label'\n"
)
OLD_CELLS = (
    "KeyError                                  Traceback (most recent call last)\n"
    "<ipython-input-12-0a1b2c> in <module>\n      1 rows = load()\n----> 2 fit(rows)\n\n"
    "KeyError: 'label'\n"
)
TASK = (
    "Traceback (most recent call last):\n"
    '  File "/srv/train.py", line 9, in <module>\n    ray.get(fit.remote())\n'
    f'  File "{PACKAGES}/ray/_private/worker.py", line 2667, in get\n    raise value\n'
    "ray.exceptions.RayTaskError(IndexError): ray::fit() (pid=7, ip=10.0.0.1)\n"
    '  File "/srv/fit.py", line 4, in fit\n    return rows[9]\n'
    "IndexError: list index out of range\n"
)
CUT = '  File "/srv/fit.py", line 4, in fit\n    return rows[9]\nIndexError: list index out of range\n'
LIBRARY = (
    "Traceback (most recent call last):\n"
    f'  File "{PACKAGES}/trl/run.py", line 4, in <module>\n    main()\n'
    '  File "/opt/venv/lib/python3.11/json/decoder.py", line 355, in raw_decode\n    raise JSONDecodeError\n'
    "json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)\n"
)


def _of(text: str) -> ProgramError | None:
    return diagnose(Fields(), [TextSource("log", SourceKind.FILE, [text.encode()])]).program


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            DRIVER + "ValueError: no rows\n",
            ProgramError("ValueError", "no rows", "/srv/rows.py", 7, "load", None, "value"),
        ),
        (
            DRIVER + PANDAS + "FileNotFoundError: [Errno 2] No such file or directory: 'x.csv'\n",
            ProgramError(
                "FileNotFoundError",
                "[Errno 2] No such file or directory: 'x.csv'",
                "/srv/rows.py",
                7,
                "load",
                "pandas.io.parsers.readers.read_csv",
                "missing-file",
            ),
        ),
        (TASK, ProgramError("IndexError", "list index out of range", "/srv/fit.py", 4, "fit", None, "range")),
        (CUT, ProgramError("IndexError", "list index out of range", "/srv/fit.py", 4, "fit", None, "range")),
        (CELLS, ProgramError("KeyError", "'label'", "~/work/fit.py", 12, "fit", None, "missing-key")),
        (
            OLD_CELLS,
            ProgramError("KeyError", "'label'", "<ipython-input-12-0a1b2c>", 2, "<module>", None, "missing-key"),
        ),
        # Only frames of libraries.
        (
            LIBRARY,
            ProgramError(
                "json.decoder.JSONDecodeError",
                "Expecting value: line 1 column 1 (char 0)",
                None,
                None,
                None,
                "trl.run",
                "value",
            ),
        ),
        ("step 1\n", None),
        (DRIVER + "ray.exceptions.GetTimeoutError: Get timed out\n", None),
    ],
    ids=["own", "library call", "task", "cut", "cells", "older cells", "libraries", "none", "of Ray"],
)
def test_the_exception_of_a_program(text: str, expected: ProgramError | None) -> None:
    assert _of(text) == expected


@pytest.mark.parametrize(
    ("exception", "message", "kind"),
    [
        ("KeyError", "'a'", "missing-key"),
        ("RuntimeError", "mat1 and mat2 shapes cannot be multiplied (3x4 and 5x6)", "shape"),
        ("ValueError", "operands could not be broadcast together with shapes (3,) (4,)", "shape"),
        ("FileNotFoundError", "[Errno 2] No such file", "missing-file"),
        ("OSError", "[Errno 13] Permission denied: '/x'", "permission"),
        ("ConnectionRefusedError", "[Errno 111] Connection refused", "refused"),
        ("requests.exceptions.ConnectTimeout", "timed out", "timeout"),
        ("ValueError", "no rows", "value"),
        ("IndexError", "list index out of range", "range"),
        ("AssertionError", "rows", "assertion"),
        ("TypeError", "unsupported operand", "type"),
        ("AttributeError", "no attribute 'x'", "attribute"),
        ("mylib.Odd", "what", "other"),
    ],
)
def test_the_kind(exception: str, message: str, kind: str) -> None:
    assert choose_kind(exception, message) == kind
    assert kind in PROGRAM_KINDS


def test_no_secret_of_a_message_is_told() -> None:
    found = _of(DRIVER + "ValueError: token=abcdefgh1234 was refused\n")
    assert found is not None
    assert "abcdefgh1234" not in found.message
