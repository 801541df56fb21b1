"""``python -m tests.zoo``: the zoo, or some of it; exit code 0 when every answer is as expected, 1 when one is not."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from fnmatch import fnmatch
from pathlib import Path

from tests.bench.head import alone
from tests.zoo.head import DEFAULT_LIMIT_S, knows_limit
from tests.zoo.model import Program, World
from tests.zoo.results import (
    LEFT_OUT,
    OK,
    Result,
    compute_fingerprint,
    load_results,
    render_table,
    save_results,
    summarize,
)
from tests.zoo.run import SHORT, SHORT_LIMIT_S, Manner, run_world
from tests.zoo.tables import PROGRAMS


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked for, world by world."""
    asked = _parse(arguments)
    chosen = choose_programs(asked.only, asked.short)
    if asked.list:
        for program in chosen:
            marks = f"{program.world}/{program.wave}{', short' if program.short else ''}"
            print(f"{program.name:<24} {marks:<22} {program.about}")
        return 0
    limit_s = None if asked.limit == "default" else float(asked.limit)
    if not knows_limit():
        print("this checkout knows no limit for quiet jobs; programs are watched as if it were set", file=sys.stderr)
    out = Path(asked.out)
    results = _take_over(out, chosen, limit_s) if asked.resume else {}
    manner = SHORT if asked.short else Manner(claims_only=asked.claims)
    began = time.monotonic()

    def keep(found: list[Result]) -> None:
        results.update({each.name: each for each in found})
        ordered = [results[each.name] for each in PROGRAMS if each.name in results]
        save_results(out, ordered, {"limit_s": limit_s or DEFAULT_LIMIT_S, "short": asked.short})

    with alone():
        for world in World:
            here = [each for each in chosen if each.world is world and each.name not in results]
            if here:
                run_world(world, here, limit_s, manner, _say, keep)
    ordered = [results[each.name] for each in chosen if each.name in results]
    print(render_table(ordered))
    print(f"\n{summarize(ordered)}\n{time.monotonic() - began:.0f} s; all of it is in {out}")
    return 0 if all(each.state in (OK, LEFT_OUT) for each in ordered) else 1


def choose_programs(only: list[str], short: bool) -> list[Program]:
    """Those whose name is like one of these patterns, in the order of the tables."""
    named = [each for each in PROGRAMS if not only or any(fnmatch(each.name, pattern) for pattern in only)]
    return [each for each in named if each.short or not short]


def _take_over(out: Path, chosen: list[Program], limit_s: float | None) -> dict[str, Result]:
    """What an earlier run has of these, as long as they are the same."""
    limit = limit_s or DEFAULT_LIMIT_S
    same = {each.name: compute_fingerprint(each, limit) for each in chosen}
    return {name: each for name, each in load_results(out).items() if same.get(name) == each.fingerprint}


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.zoo", description=__doc__)
    parser.add_argument("--only", action="append", default=[], help="names, or patterns as of files; may be repeated")
    parser.add_argument("--list", action="store_true", help="what there is, and nothing is run")
    parser.add_argument("--short", action="store_true", help="what `make test` runs of it, without six limits")
    parser.add_argument(
        "--claims", action="store_true", help="only whether programs are what they claim, by Ray's tables"
    )
    parser.add_argument("--limit", default=f"{SHORT_LIMIT_S:g}", help="seconds, or `default` (600 s; over an hour)")
    parser.add_argument(
        "--out", default=str(Path(tempfile.gettempdir()) / "seedcore-zoo.json"), help="results, as JSON"
    )
    parser.add_argument("--resume", action="store_true", help="what is in that file already is not run again")
    return parser.parse_args(arguments)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
