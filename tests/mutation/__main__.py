"""``python -m tests.mutation``: draw mutants, run the unit tests on each, and print those that nobody noticed."""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tests.mutation.mutants import Mutant
from tests.mutation.sample import TARGETS, choose_tests, draw, leave_out, list_all, read_left_out
from tests.mutation.trial import Trial, load_libraries, run_trials

WANTED = 0.93
_TIMES_THE_USUAL = 6.0


def main() -> int:
    """Print the figure; the exit code is 0 when at least 0.93 of the mutants were killed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="which mutants are drawn; one is chosen when not given")
    parser.add_argument("--count", type=int, default=200, help="how many are drawn; 0: all")
    parser.add_argument("--only", nargs="*", default=TARGETS, help="files of the product, as patterns")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    seed = random.SystemRandom().randrange(1_000_000) if args.seed is None else args.seed
    every, left_out = list_all(args.only), read_left_out()
    if tuple(args.only) == TARGETS:
        every = leave_out(every, left_out)
    else:
        every = [mutant for mutant in every if not any(entry.names(mutant) for entry in left_out)]
    drawn = draw(every, args.count or len(every), seed)
    print(f"{len(drawn)} of {len(every)} mutants, seed {seed}; {len(left_out)} are left out", flush=True)
    began = time.monotonic()
    load_libraries()
    with tempfile.TemporaryDirectory(prefix="seedcore-mutants-") as directory:
        survivors = _try_all(drawn, args.processes, Path(directory))
    for mutant in survivors:
        print(f"survived: {mutant}")
    killed = len(drawn) - len(survivors)
    share = killed / len(drawn)
    print(f"killed {killed} of {len(drawn)}: {share:.3f} (at least {WANTED}), {time.monotonic() - began:.0f} s")
    return 0 if share >= WANTED else 1


def _try_all(drawn: Sequence[Mutant], processes: int, directory: Path) -> list[Mutant]:
    tests = {path: choose_tests(path) for path in {mutant.path for mutant in drawn}}
    usual_s = _measure_usual(sorted({test for each in tests.values() for test in each}), directory)
    print(f"their tests take {usual_s:.1f} s on the product as it is", flush=True)
    jobs = [(mutant, tests[mutant.path]) for mutant in drawn]
    limit_s = _TIMES_THE_USUAL * usual_s
    trials = list(_report(run_trials(jobs, processes=processes, limit_s=limit_s, directory=directory)))
    killed = {trial.mutant for trial in trials if trial.killed_by is not None}
    return [mutant for mutant in drawn if mutant not in killed]


def _measure_usual(tests: Sequence[str], directory: Path) -> float:
    """Seconds that the tests take on the product as it is, on which all of them must pass."""
    (trial,) = run_trials([(None, tests)], processes=1, limit_s=600, directory=directory)
    if trial.killed_by is not None:
        log = (directory / "0.log").read_text("utf-8", errors="replace")
        raise SystemExit(f"the product itself fails {trial.killed_by}:\n{log[-3000:]}")
    return trial.seconds


def _report(trials: Iterable[Trial]) -> Iterator[Trial]:
    for trial in trials:
        mutant = trial.mutant
        if mutant is not None:
            said = "lives" if trial.killed_by is None else f"killed by {trial.killed_by}"
            print(f"{mutant.path}:{mutant.line} {mutant.operator}: {said} ({trial.seconds:.1f} s)", flush=True)
        yield trial


if __name__ == "__main__":
    sys.exit(main())
