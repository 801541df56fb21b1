"""A directory with the sources of one version, in which another is put later: what `git pull` does to a checkout."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.commits import ROOT, check_out

# What `make up` needs of a checkout; the virtual environment is the one of the tests.
PARTS = ("serve_app", "organs", "deploy", "serve_config.yaml", "pyproject.toml")


def place_tree(directory: Path, checkout: Path = ROOT) -> None:
    """Put the present sources of this checkout there, or of another, edits included."""
    _clear(directory)
    for part in PARTS:
        source, target = checkout / part, directory / part
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)


def place_commit(directory: Path, commit: str) -> None:
    """Put the sources of a commit of this repository there."""
    with check_out(commit) as (root, _):
        place_tree(directory, root)


def edit(directory: Path, path: str, old: str, new: str) -> None:
    """Change one place of one source file, which must be there exactly once."""
    file = directory / path
    text = file.read_text()
    assert text.count(old) == 1, f"{path} has {old!r} {text.count(old)} times"
    file.write_text(text.replace(old, new))


def _clear(directory: Path) -> None:
    for part in PARTS:
        target = directory / part
        if target.is_dir():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)
