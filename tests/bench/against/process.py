"""Rows that need no cluster: CPU time of programs that run in a side's checkout."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.bench.against.comparison import Row
from tests.bench.diagnosis import MEGABYTE, chunks
from tests.bench.head import BenchError
from tests.nodes import clean_environment

PROGRAMS = Path(__file__).with_name("programs")
LOG_MB = 50
RECORDS = 5_000
LOOKED_AT = 4_000
"""Fewer than the benchmark of looks has, whose first look a busy machine does not end within its deadline."""
_TIMEOUT_S = 300.0
_TIMES = 3

ROWS = (
    Row(f"a look at {LOOKED_AT} jobs, nothing changed", "ms CPU"),
    Row(f"a look at {LOOKED_AT} jobs, one changed", "ms CPU"),
    Row(f"a look at {LOOKED_AT} jobs, the first", "ms CPU"),
    Row("judging 10 200 jobs, the first time", "ms CPU"),
    Row("judging 10 200 jobs, again", "ms CPU"),
    Row(f"writing {RECORDS} jobs to SQLite", "s CPU"),
    Row("diagnosis of no log, from start to end", "s CPU"),
    Row(f"diagnosis of {LOG_MB} MB of log", "s CPU"),
    Row("importing what is deployed", "s CPU"),
)


def measure_process_rows(root: Path, log: Path) -> dict[str, float]:
    """One figure of each row, on the product that lies in ``root``."""
    look, judging = _run_program(root, "look.py", str(LOOKED_AT)), _run_program(root, "judging.py")
    with tempfile.TemporaryDirectory(prefix="seedcore-bench-") as directory:
        written = _run_program(root, "fill.py", f"sqlite:///{directory}/jobs.db", str(RECORDS))["written"]
    diagnose = [sys.executable, "-m", "serve_app.diagnose"]
    figures = (
        look["unchanged"],
        look["one job changed"],
        look["the first"],
        judging["first"],
        judging["again"],
        written,
        min(_measure_cpu_s(root, [*diagnose, os.devnull]) for _ in range(_TIMES)),
        _measure_cpu_s(root, [*diagnose, str(log)]),
        min(_measure_cpu_s(root, [sys.executable, "-c", "import serve_app.main"]) for _ in range(_TIMES)),
    )
    return {row.name: figure for row, figure in zip(ROWS, figures, strict=True)}


def write_log(path: Path) -> None:
    """The log that is diagnosed, the same for both sides."""
    with path.open("wb") as file:
        file.writelines(chunks(LOG_MB * MEGABYTE))


def make_environment(root: Path) -> dict[str, str]:
    """What a program of a side sees: the product in its checkout, and no settings of whoever runs the benchmark."""
    return {**clean_environment(), "PYTHONPATH": str(root)}


def run_in(root: Path, command: Sequence[str], env: dict[str, str] | None = None, timeout_s: float = _TIMEOUT_S) -> str:
    """Run a command in a side's checkout; its output. Raises ``BenchError`` when it fails."""
    try:
        done = subprocess.run(
            command, cwd=root, env=env or make_environment(root), capture_output=True, text=True, timeout=timeout_s,
            check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise BenchError(f"{' '.join(command)} took more than {timeout_s:.0f} s in {root}") from None
    if done.returncode != 0:
        raise BenchError(f"{' '.join(command)} failed in {root}:\n{(done.stdout + done.stderr)[-2_000:]}")
    return done.stdout


def _run_program(root: Path, name: str, *arguments: str) -> dict[str, float]:
    output = run_in(root, [sys.executable, str(PROGRAMS / name), *arguments])
    return dict(json.loads(output.splitlines()[-1]))


def _measure_cpu_s(root: Path, command: Sequence[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run_in(root, command)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
