"""``python -m tests.bench``: the three systems side by side; ``python -m tests.bench flags``: the flag study;
``python -m tests.bench jobs``: lists, watching and lag; ``python -m tests.bench diagnosis``: large logs;
``python -m tests.bench against <commit>``: this checkout beside another commit."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import NoReturn

from tests.bench import compare, diagnosis, flags
from tests.bench.against import run as against
from tests.bench.against.comparison import LEAST_PAIRS
from tests.bench.head import BenchError
from tests.bench.jobs import run as jobs
from tests.commits import GitError


def main() -> int:
    """Parse the command line, run, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each system is started and measured")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of one load")
    parser.add_argument("--out", type=Path, default=None, help="file for the figures as JSON")
    commands = parser.add_subparsers(dest="command")
    study = commands.add_parser("flags", help="what each Serve flag is worth")
    study.add_argument("--only", default="", help="comma-separated parts of variant names")
    study.add_argument("--rounds", type=int, default=5)
    study.add_argument("--seconds", type=float, default=1.5)
    commands.add_parser("jobs", help="lists over a long history, the cost of watching, the lag of verdicts")
    commands.add_parser("diagnosis", help="time and memory of a diagnosis over the size of the log")
    other = commands.add_parser("against", help="each row here and on another commit, with the noise of each")
    other.add_argument("commit")
    other.add_argument("--pairs", type=int, default=LEAST_PAIRS, help="rounds; without a cluster twice as many")
    other.add_argument("--seconds", type=float, default=4.0, help="length of one load")
    other.add_argument("--rows", nargs="+", choices=against.GROUPS, default=against.GROUPS)
    other.add_argument("--out", type=Path, default=None, help="file for the figures as JSON")
    args = parser.parse_args()
    # As Ctrl-C does: what was started is ended, and directories of other commits are given back.
    before = signal.signal(signal.SIGTERM, _exit_orderly)
    try:
        if args.command == "flags":
            only = {word for word in args.only.split(",") if word}
            flags.study(only, args.rounds, args.seconds, say)
            return 0
        if args.command == "jobs":
            return jobs.run(say)
        if args.command == "diagnosis":
            return diagnosis.run(say)
        if args.command == "against":
            return against.run(
                args.commit, pairs=args.pairs, seconds=args.seconds, groups=args.rows, out=args.out, say=say
            )
        return compare.compare(args.rounds, args.seconds, args.out, say)
    except (BenchError, GitError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    finally:
        signal.signal(signal.SIGTERM, before)


def _exit_orderly(number: int, frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def say(text: str) -> None:
    """Print at once, so that progress is seen."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
