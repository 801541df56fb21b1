"""A commit of this repository in a directory of its own: a worktree of git, gone when it is no longer needed.

Needs nothing but the standard library.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_TIMEOUT_S = 60.0


class GitError(RuntimeError):
    """What git said when it could not do it."""


@contextmanager
def check_out(commit: str) -> Iterator[tuple[Path, str]]:
    """The directory of a commit and its short name; raises ``GitError`` when git does not know it."""
    name = _run_git("rev-parse", "--short", "--verify", "--end-of-options", f"{commit}^{{commit}}")
    with tempfile.TemporaryDirectory(prefix="seedcore-commit-") as directory:
        root = Path(directory) / name
        _run_git("worktree", "add", "--detach", "--quiet", str(root), name)
        try:
            yield root, name
        finally:
            _run_git("worktree", "remove", "--force", str(root))


def _run_git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise GitError(f"git {words[0]}: {done.stderr.strip()}")
    return done.stdout.strip()
