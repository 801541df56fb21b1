"""Which code a process runs: the number of the release, and a digest of the sources that it was started from.

Same configuration and other code is no change for Serve: what it compares is a hash of import path, environment,
arguments and policies (``get_app_code_version``, ray/serve/_private/deploy_utils.py). So what is deployed carries this
version, and every replica says which one it runs.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path
from typing import TypedDict

ASKING_ALL_S = 1.0
"""How long all replicas of a deployment together may take to tell their versions."""
PACKAGES = ("organs", "serve_app")
# What decides how a replica behaves: modules, and the templates of the report.
_SUFFIXES = frozenset({".py", ".j2", ".css"})
_DIGITS = 12
_NUMBER = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)


class ReplicaVersion(TypedDict):
    """One live replica's account of the code that it runs."""

    replica_id: str
    code_version: str


@cache
def read_own_version() -> str:
    """The version of this process, as its files were when it was first asked: once, at the start."""
    return read_version(Path(__file__).resolve().parents[1])


def read_version(root: Path) -> str:
    """The version of the sources below a directory, ``0.1.0+1a2b3c4d5e6f``; every edit of them makes it another.

    Raises ``OSError`` when they cannot be read.
    """
    digest = hashlib.sha256()
    paths = [path for package in PACKAGES for path in (root / package).rglob("*") if path.suffix in _SUFFIXES]
    for path in sorted(paths):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    number = _NUMBER.search((root / "serve_app" / "__init__.py").read_text(encoding="utf-8"))
    return f"{number[1] if number else '0'}+{digest.hexdigest()[:_DIGITS]}"
