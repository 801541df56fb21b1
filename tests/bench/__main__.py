"""``python -m tests.bench``: the three systems side by side; ``python -m tests.bench flags``: the flag study."""
from __future__ import annotations

import argparse
import sys

from tests.bench import flags


def main() -> int:
    """Parse the command line, run, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    study = commands.add_parser("flags", help="what each Serve flag is worth")
    study.add_argument("--only", default="", help="comma-separated parts of variant names")
    study.add_argument("--rounds", type=int, default=5)
    study.add_argument("--seconds", type=float, default=1.5)
    args = parser.parse_args()
    if args.command == "flags":
        only = {word for word in args.only.split(",") if word}
        flags.study(only, args.rounds, args.seconds, lambda text: print(text, flush=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
