"""Tests against one mutant, in a process forked from one that has read the libraries and nothing of the product."""

from __future__ import annotations

import contextlib
import importlib
import importlib.machinery
import json
import math
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

from tests.mutation.mutants import Mutant, make_mutant

ROOT = Path(__file__).resolve().parents[2]
# What the tests need and no mutant changes: read once, before the first fork.
_LIBRARIES = ("pytest", "_pytest.assertion.rewrite", "pytest_asyncio.plugin", "pytest_socket", "pytest_timeout")
_LIBRARIES += ("hypothesis", "_hypothesis_pytestplugin", "hypothesis.strategies", "ray", "pydantic", "fastapi", "httpx")
_LIBRARIES += ("sqlalchemy.ext.asyncio", "aiosqlite", "aiohttp", "yaml", "jinja2", "psutil", "opentelemetry.trace")
_OPTIONS = ("-x", "-q", "--no-header", "-p", "no:cacheprovider", "--hypothesis-seed=0")
_OPTIONS += ("-W", "ignore::pytest.PytestAssertRewriteWarning")  # plugins are among the libraries that were read before
_SHORTEST_LIMIT_S = 20.0
# On a busy machine a mutant is slow on the clock, and no fault of its own.
_CLOCK_PER_PROCESSOR = 6.0
_TIME_LIMIT = "the time limit"
_POLL_S = 0.02
# A mutant may fill a list for ever.
_MOST_BYTES = 8 * 1024**3


@dataclass(frozen=True, slots=True)
class Trial:
    """What the tests said of one mutant. ``killed_by`` names the first test that failed; None: none did."""

    mutant: Mutant | None
    killed_by: str | None
    seconds: float


def load_libraries() -> None:
    """Read the libraries into this process, so that no trial needs to."""
    for name in _LIBRARIES:
        importlib.import_module(name)


def run_trials(
    jobs: Sequence[tuple[Mutant | None, Sequence[str]]], *, processes: int, limit_s: float, directory: Path
) -> Iterator[Trial]:
    """Try each mutant (None: the product as it is) on its tests, so many at once; one that needs more than ``limit_s``
    seconds of a processor is killed by that, or many times as long on a clock, since it may wait and do nothing.
    Raises ``RuntimeError`` when tests could not be run at all.
    """
    limit_s = max(limit_s, _SHORTEST_LIMIT_S)
    waiting, running = list(enumerate(jobs)), dict[int, tuple[Mutant | None, Path, float]]()
    try:
        while waiting or running:
            while waiting and len(running) < processes:
                number, (mutant, tests) = waiting.pop(0)
                answer = directory / f"{number}.json"
                running[_fork(mutant, tests, answer, limit_s)] = (mutant, answer, time.monotonic())
            pid, status = os.waitpid(-1, os.WNOHANG)
            now = time.monotonic()
            if pid in running:
                mutant, answer, began = running.pop(pid)
                spent = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU
                yield Trial(mutant, _TIME_LIMIT if spent else _read_answer(answer), now - began)
                continue
            for pid, (mutant, _, began) in list(running.items()):
                if now - began > limit_s * _CLOCK_PER_PROCESSOR:
                    _end(pid)
                    del running[pid]
                    yield Trial(mutant, _TIME_LIMIT, now - began)
            time.sleep(_POLL_S)
    finally:
        for pid in running:
            _end(pid)


def _fork(mutant: Mutant | None, tests: Sequence[str], answer: Path, limit_s: float) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    try:
        output = os.open(answer.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        resource.setrlimit(resource.RLIMIT_AS, (_MOST_BYTES, _MOST_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(limit_s), resource.RLIM_INFINITY))
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(answer.parent)
        if mutant is not None:
            _put_in(mutant)
        answer.write_text(json.dumps(_run_tests(tests)))
    finally:
        if sys.exc_info()[0] is not None:
            traceback.print_exc()
            sys.stderr.flush()
        # Whatever happened: the child must not go on with the parent's work.
        os._exit(0)


def _put_in(mutant: Mutant) -> None:
    """Have Python read the mutated file instead of the one on the disk, whenever it is imported."""
    path = str(ROOT / mutant.path)
    code = compile(make_mutant(Path(path).read_text(), mutant.number), path, "exec")

    class Loader(importlib.machinery.SourceFileLoader):
        def get_code(self, fullname: str) -> CodeType | None:
            return code if self.get_filename(fullname) == path else super().get_code(fullname)

    finder = importlib.machinery.FileFinder.path_hook((Loader, importlib.machinery.SOURCE_SUFFIXES))
    package = str(Path(path).parent)
    sys.path_hooks.insert(0, lambda entry: finder(entry) if entry == package else _refuse(entry))
    sys.path_importer_cache.pop(package, None)


def _refuse(entry: str) -> Any:
    raise ImportError(entry)


class _FirstFailure:
    """Remembers the first test that failed, or the file that could not be collected."""

    name: str | None = None

    def pytest_runtest_logreport(self, report: Any) -> None:
        self._note(report)

    def pytest_collectreport(self, report: Any) -> None:
        self._note(report)

    def _note(self, report: Any) -> None:
        if report.failed and self.name is None:
            self.name = str(report.nodeid)


def _run_tests(tests: Sequence[str]) -> dict[str, Any]:
    import pytest

    first = _FirstFailure()
    code = pytest.main([*_OPTIONS, *tests], plugins=[first])
    return {"code": int(code), "first": first.name}


def _read_answer(answer: Path) -> str | None:
    if not answer.exists():
        return "a crash"
    said = json.loads(answer.read_text())
    if said["code"] in (0, 1, 2) and (said["code"] == 0) == (said["first"] is None):
        return said["first"]
    if said["code"] == 4:
        # A conftest that cannot be imported.
        return "conftest.py"
    raise RuntimeError(f"the tests could not be run: {said}\n{answer.with_suffix('.log').read_text()[-2000:]}")


def _end(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
