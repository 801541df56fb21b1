"""``python -m tests.bench jobs``: lists over a long history, the cost of watching, and the lag of a real cluster."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.bench.jobs import history as job_history
from tests.bench.jobs import lag as job_lag
from tests.bench.jobs import poll as job_poll
from tests.integration.cluster import TOKENS, running

Say = Callable[[str], None]


def run(say: Say) -> int:
    """Measure everything and print each goal with what was reached; the exit code tells whether all were."""
    say("One look over 10 000 ended jobs (simulated source)")
    cost = job_poll.cost_of_a_look()
    goals = [_goal("CPU of a look, nothing changed", cost.unchanged_ms, 200, "ms")]
    goals.append(_goal("CPU of a look, one job changed", cost.one_change_ms, 200, "ms"))
    say(f"  the first look of all: {cost.first_ms:.0f} ms")
    say("An hour of 50 job changes a second (simulated source, accelerated clock)")
    memory = job_poll.memory_over_an_hour()
    say(f"  resident MB at each twelfth of the hour: {memory}")
    goals.append(_goal("growth of memory from the third to the last twelfth", memory[-1] / memory[2], 1.05, "x"))
    say("A real cluster")
    with tempfile.TemporaryDirectory(prefix="seedcore-bench-") as home:
        env = {f"SEEDCORE_{role.upper()}_TOKEN": token for role, token in TOKENS.items()}
        with running(Path(home), env) as cluster:
            lag = job_lag.lag_of_ends(cluster, say)
            say(f"  lag of a verdict after a job's end: p50 {lag.p50_s} s, p95 {lag.p95_s} s, most {lag.most_s} s")
            goals.append(_goal("lag of a verdict, p95", lag.p95_s, 3, "s"))
            goals.append(
                _goal("inspector at rest, share of a core", job_lag.share_of_a_core_at_rest(cluster), 0.02, "")
            )
            timings = job_history.measure(cluster, say)
    goals += _of_lists(timings, say)
    for line, _ in goals:
        say(line)
    return 0 if all(reached for _, reached in goals) else 1


def _of_lists(timings: list[job_history.Timing], say: Say) -> list[tuple[str, bool]]:
    goals = []
    say("GET /jobs over HTTP, SQLite, ms")
    for page in dict.fromkeys(each.page for each in timings):
        same = {each.jobs: each for each in timings if each.page == page}
        told = ", ".join(f"{jobs}: p50 {each.p50_ms} p95 {each.p95_ms}" for jobs, each in same.items())
        say(f"  {page}: {told}")
        few, many = same[job_history.SIZES[0]], same[job_history.SIZES[-1]]
        goals.append(_goal(f"{page}: p95 with {many.jobs} jobs", many.p95_ms, 30, "ms"))
        goals.append(_goal(f"{page}: that against {few.jobs} jobs", many.p95_ms / few.p95_ms, 2, "x"))
    return goals


def _goal(what: str, value: float, at_most: float, unit: str) -> tuple[str, bool]:
    reached = value <= at_most
    return f"  {'PASS' if reached else 'FAIL'} {what}: {value:g} {unit} (at most {at_most:g})", reached
