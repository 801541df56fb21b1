"""The other commit in a directory of its own: a worktree of git, gone when it is no longer needed."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.head import ROOT, BenchError

_TIMEOUT_S = 60.0


@contextmanager
def check_out(commit: str) -> Iterator[tuple[Path, str]]:
    """The directory of a commit and its short name; raises ``BenchError`` when git does not know it."""
    name = _git("rev-parse", "--short", "--verify", "--end-of-options", f"{commit}^{{commit}}")
    with tempfile.TemporaryDirectory(prefix="seedcore-against-") as directory:
        root = Path(directory) / name
        _git("worktree", "add", "--detach", "--quiet", str(root), name)
        try:
            yield root, name
        finally:
            _git("worktree", "remove", "--force", str(root))


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise BenchError(f"git {words[0]}: {done.stderr.strip()}")
    return done.stdout.strip()
