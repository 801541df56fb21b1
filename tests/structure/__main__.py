"""``python -m tests.structure [CHECKOUT]``: counts the structure of a checkout, of this one when none is named.

``--against COMMIT`` shows that commit beside it; ``--check`` ends with 1 when a limit is broken, and says which. Needs
nothing but the standard library, so that it reads any commit of the past.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.structure.counts import Counts, count_structure, list_breaches
from tests.structure.table import render_table

_HERE = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.structure", description=__doc__)
    parser.add_argument("checkout", nargs="?", type=Path, default=_HERE)
    parser.add_argument("--against", metavar="COMMIT", help="a commit to show beside it")
    parser.add_argument("--check", action="store_true", help="exit code 1 when a limit is broken")
    asked = parser.parse_args(arguments)
    try:
        columns = {asked.against: count_commit(asked.against)} if asked.against else {}
        columns["checkout"] = count_structure(asked.checkout)
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(render_table(columns))
    breaches = list_breaches(columns["checkout"])
    if asked.check and breaches:
        print("\nbroken:", *breaches, sep="\n  ", file=sys.stderr)
        return 1
    return 0


def count_commit(commit: str) -> Counts:
    """Count a commit of this repository, in a worktree that is gone afterwards.

    :raises subprocess.CalledProcessError: git has no such commit; what it said is on stderr.
    """
    with tempfile.TemporaryDirectory(prefix="structure-") as folder:
        tree = Path(folder) / "tree"
        _run_git("worktree", "add", "--quiet", "--detach", str(tree), commit)
        try:
            return count_structure(tree)
        finally:
            _run_git("worktree", "remove", "--force", str(tree))


def _run_git(*words: str) -> None:
    subprocess.run(["git", "-C", str(_HERE), *words], check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
