"""``python -m serve_app.check FILE…``: is a configuration acceptable?

Exit code 0 when every file is, 1 when one is not, 2 when called wrongly.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from serve_app.check.configuration import check_config

USAGE = "usage: python -m serve_app.check FILE…"


def main(arguments: Sequence[str]) -> int:
    """Check files and print what is wrong with them."""
    if not arguments or any(argument.startswith("-") for argument in arguments):
        print(USAGE, file=sys.stderr)
        return 2
    bad = False
    for name in arguments:
        try:
            text = Path(name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            print(f"{name}: cannot be read: {error}", file=sys.stderr)
            return 2
        problems = check_config(text, name, os.environ)
        bad = bad or bool(problems)
        for problem in problems:
            print(problem.text())
        if not problems:
            print(f"{name}: fine")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
