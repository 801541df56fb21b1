"""Logs that are made to hurt: a diagnosis takes time in proportion to the text, whatever stands in it."""

from __future__ import annotations

import time

import pytest

from serve_app.jobs.diagnosis.engine.diagnose import diagnose
from serve_app.jobs.diagnosis.models import Fields, SourceKind, TextSource

MIB = 1_048_576
HOSTILE = {
    "one line": b"a",
    "line ends": b"\n",
    "carriage returns": b"\r",
    "NUL": b"\0",
    "no text": b"\xff\xfe\x80",
    "half a character": b"\xf0\x9f",
    "escapes": b"\x1b",
    "escapes that do not end": b"\x1b[",
    "titles that do not end": b"\x1b]0;",
    "colours": b"\x1b[31m",
    "colours without their escape": b"[31m",
    "brackets": b"(",
    "prefixes that do not end": b"(f (g pid=",
    "prefixes within prefixes": b"((a) pid=1 ",
    "prefixes on each line": b"(f pid=1, ip=1.2.3.4) x\n",
    "logger's prefixes": b"ERROR 01-01 00:00:00 [a.py:1] ",
    "pods": b"[pod/a] ",
    "tracebacks that do not end": b"Traceback (most recent call last):\n",
    "a traceback in one line": b"Traceback (most recent call last): ",
    "frames without a traceback": b'  File "a.py", line 1, in f\n    x\n',
    "tracebacks": b'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    x\nKeyError: 1\n',
    "chains": b"\nDuring handling of the above exception, another exception occurred:\n\n",
    "causes": b"\nThe above exception was the direct cause of the following exception:\n\n",
    "names of exceptions": b"ValueError: ",
    "exceptions with long names": b"a.b.c.d." + b"x" * 90 + b"Error: y\n",
    "errors of tasks": b"ray.exceptions.RayTaskError(KeyError): ray::f() (pid=1)\n",
    "what the kernel says": b"Out of memory: Killed process 1 (python)\n",
    "addresses with a password": b"http://a:b@",
    "addresses that do not end": b"http://",
    "tokens": b"token=",
    "flags": b"--token ",
    "keys that do not end": b"-----BEGIN PRIVATE KEY-----\n",
    "signed tokens": b"eyJhbGciOi.eyJ.",
    "quotes": b"'\"\\'",
    "dashes": b"-",
    "spaces": b" ",
    "tabs and spaces": b"\t \n",
    "digits": b"0",
    "module errors": b"ModuleNotFoundError: No module named '",
    "timestamps": b"2026-01-01 00:00:00,000 ",
}


def measure_cpu_s(unit: bytes, size_bytes: int) -> float:
    """Of this thread: what else the machine does is no business of the log."""
    log = (unit * (size_bytes // len(unit) + 1))[:size_bytes]
    began = time.thread_time()
    diagnose(Fields(status="FAILED"), [TextSource("log", SourceKind.FILE, [log])])
    return time.thread_time() - began


@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_log_costs_no_more_than_its_length(unit: bytes) -> None:
    """Four times the text may not take the sixteenfold time; 10x, and what any log costs, leave room for noise."""
    short = min(measure_cpu_s(unit, MIB // 2) for _ in range(2))
    assert measure_cpu_s(unit, 2 * MIB) < 10 * max(short, 0.02)
