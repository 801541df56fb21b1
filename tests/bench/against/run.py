"""The rounds: each side in turn, the other commit twice, then the table and whether a row is worse."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from tests.bench.against import live, process
from tests.bench.against.comparison import LEAST_PAIRS, Compared, Row, compare, format_table
from tests.bench.head import ROOT, alone
from tests.commits import check_out

Say = Callable[[str], None]
Measure = Callable[[Path], dict[str, float]]
# A side's place in a round says something of its figures (caches, heat), so each is in each place as often.
_ORDERS = ((0, 1, 2), (2, 0, 1), (1, 2, 0))
OTHER, AGAIN, OURS = range(3)
GROUPS = ("process", "live")
PROCESS_PAIRS_TIMES = 2
"""Rows without a cluster are cheap: so many times as many rounds."""


def run(
    commit: str,
    *,
    pairs: int = LEAST_PAIRS,
    seconds: float = 4.0,
    groups: Sequence[str] = GROUPS,
    out: Path | None = None,
    say: Say = print,
) -> int:
    """Compare the checkout that this runs in with another commit; the exit code: 1 when a row is worse."""
    found: list[Compared] = []
    with check_out(commit) as (root, name), tempfile.TemporaryDirectory(prefix="seedcore-bench-") as directory:
        roots = (root, root, ROOT)
        if "process" in groups:
            log = Path(directory) / "job.log"
            process.write_log(log)
            count = pairs * PROCESS_PAIRS_TIMES

            def measure(side: Path) -> dict[str, float]:
                return process.measure_process_rows(side, log)

            found += _compare_rows(process.ROWS, _measure_rounds("process", roots, measure, count, say))
        if "live" in groups:
            measured = _measure_rounds("live", roots, lambda side: live.measure_live_rows(side, seconds), pairs, say)
            found += _compare_rows(live.ROWS, measured)
        say(f"\n{format_table(found, name)}\n")
    worse = [each.row.name for each in found if each.is_worse]
    say(f"worse than {name}: {'; '.join(worse)}" if worse else f"no row is worse than {name}")
    if out is not None:
        out.write_text(json.dumps([asdict(each) for each in found], indent=2), "utf-8")
    return 1 if worse else 0


def _measure_rounds(
    what: str, roots: Sequence[Path], measure: Measure, count: int, say: Say
) -> list[list[dict[str, float]]]:
    """For each round the figures of the other commit, the same again, and this one."""
    if what == "process":
        for root in dict.fromkeys(roots):
            # Its files are compiled and read.
            measure(root)
    rounds = []
    for number in range(count):
        say(f"{what} rows, round {number + 1} of {count}")
        figures: dict[int, dict[str, float]] = {}
        for side in _ORDERS[number % len(_ORDERS)]:
            with alone():
                figures[side] = measure(roots[side])
        rounds.append([figures[OTHER], figures[AGAIN], figures[OURS]])
    return rounds


def _compare_rows(rows: Sequence[Row], rounds: Sequence[Sequence[dict[str, float]]]) -> list[Compared]:
    def take(row: Row, side: int) -> list[float]:
        return [each[side][row.name] for each in rounds]

    return [compare(row, take(row, OTHER), take(row, AGAIN), take(row, OURS)) for row in rows]
