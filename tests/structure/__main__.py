"""``python -m tests.structure [CHECKOUT]``: counts the structure of a checkout, of this one when none is named.

``--against COMMIT`` shows that commit beside it; ``--check`` ends with 1 when a limit is broken, and says which. Needs
nothing but the standard library, so that it reads any commit of the past.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.commits import ROOT, GitError, check_out
from tests.structure.counts import Counts, count_structure, list_breaches
from tests.structure.table import render_table


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.structure", description=__doc__)
    parser.add_argument("checkout", nargs="?", type=Path, default=ROOT)
    parser.add_argument("--against", metavar="COMMIT", help="a commit to show beside it")
    parser.add_argument("--check", action="store_true", help="exit code 1 when a limit is broken")
    asked = parser.parse_args(arguments)
    try:
        columns = {asked.against: count_commit(asked.against)} if asked.against else {}
        columns["checkout"] = count_structure(asked.checkout)
    except (FileNotFoundError, GitError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(render_table(columns))
    breaches = list_breaches(columns["checkout"])
    if asked.check and breaches:
        print("\nbroken:", *breaches, sep="\n  ", file=sys.stderr)
        return 1
    return 0


def count_commit(commit: str) -> Counts:
    """Count a commit of this repository; raises ``GitError`` when there is no such commit."""
    with check_out(commit) as (tree, _):
        return count_structure(tree)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
