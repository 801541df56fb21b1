"""The three systems in turn, in one run: figures, ratios, and whether the goals are reached."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.bench.head import alone, free_ports
from tests.bench.system_load import Sample, generator_ceiling, median, sample, shares
from tests.bench.systems import bare_serve, old_shape, product, serve_flags

CONNECTIONS = (1, 8, 32, 64)


def without_fastapi(flags: dict[str, str]) -> Any:
    """The bare application with an ASGI function for an ingress: for information, since no goal is set by it."""
    return bare_serve(flags, args={"route": "asgi"})


SYSTEMS: dict[str, Callable[[dict[str, str]], Any]] = {
    "seedcore": product,
    "bare Serve": bare_serve,
    "bare Serve without FastAPI": without_fastapi,
    "old shape": old_shape,
}
GOALS = (
    ("throughput at 32 connections, of bare Serve", "seedcore", "bare Serve", 32, "requests_per_s", ">=", 0.9),
    ("throughput at 32 connections, of the old shape", "seedcore", "old shape", 32, "requests_per_s", ">=", 3.0),
    ("p50 at 1 connection, of the old shape", "seedcore", "old shape", 1, "p50_ms", "<=", 0.4),
)
IDLE_S = 20.0
PAUSE_S = 2.0
"""Between systems, so that whoever else waits for the machine gets it."""


def compare(rounds: int, seconds: float, out: Path | None, say: Callable[[str], None]) -> int:
    """Measure, print, and return the exit code: 0 when every goal is reached."""
    flags = serve_flags()
    samples: dict[tuple[str, int], list[Sample]] = {}
    start: dict[str, dict[str, float]] = {}
    processes: dict[str, list[dict[str, Any]]] = {}
    for number in range(rounds):
        # Every other round backwards, so that a machine that grows slower favours nobody.
        for name, system in list(SYSTEMS.items())[:: -1 if number % 2 else 1]:
            say(f"round {number + 1} of {rounds}: {name}")
            time.sleep(PAUSE_S)
            with alone(), system(flags) as running:
                start[name] = {"ray_start_s": running.seconds_to_head, "first_answer_s": running.seconds_to_answer}
                for connections in CONNECTIONS:
                    samples.setdefault((name, connections), []).append(sample(running, connections, seconds))
                if number == 0 and not name.startswith("bare Serve"):
                    processes[name] = [asdict(share) for share in shares(running, IDLE_S)]
    figures = {key: median(each) for key, each in samples.items()}
    ceiling = generator_ceiling(free_ports(1)[0])
    say(f"\ngenerator alone, 32 connections: {ceiling.requests_per_s:.0f} requests/s\n")
    _print_figures(figures, say)
    _print_start(start, processes, say)
    goals = [_goal(figures, *goal) for goal in GOALS]
    for goal in goals:
        say(f"{'PASS' if goal['reached'] else 'FAIL'}  {goal['what']}: {goal['ratio']:.2f} ({goal['wanted']})")
    if out is not None:
        out.write_text(
            json.dumps(
                {
                    "figures": [{"system": name, **asdict(each)} for (name, _), each in figures.items()],
                    "start": start,
                    "processes": processes,
                    "goals": goals,
                },
                indent=2,
            )
        )
    return 0 if all(goal["reached"] for goal in goals) else 1


def _goal(
    figures: dict[tuple[str, int], Sample],
    what: str,
    ours: str,
    theirs: str,
    at: int,
    figure: str,
    sign: str,
    limit: float,
) -> dict[str, Any]:
    ratio = getattr(figures[ours, at].result, figure) / getattr(figures[theirs, at].result, figure)
    reached = ratio >= limit if sign == ">=" else ratio <= limit
    return {"what": what, "ratio": round(ratio, 3), "wanted": f"{sign} {limit:g}", "reached": reached}


def _print_figures(figures: dict[tuple[str, int], Sample], say: Callable[[str], None]) -> None:
    say("| system | connections | requests/s | p50 ms | p95 ms | p99 ms | CPU ms a request | others' cores |")
    say("|---|---|---|---|---|---|---|---|")
    for (name, connections), each in sorted(figures.items(), key=lambda row: (row[0][1], row[0][0])):
        found = each.result
        say(
            f"| {name} | {connections} | {found.requests_per_s:.0f} | {found.p50_ms:.1f} | {found.p95_ms:.1f} "
            f"| {found.p99_ms:.1f} | {each.cpu_ms:.1f} | {each.foreign_cores:.2f} |"
        )
    say("")


def _print_start(
    start: dict[str, dict[str, float]], processes: dict[str, list[dict[str, Any]]], say: Callable[[str], None]
) -> None:
    for name, times in start.items():
        say(
            f"{name}: ray start {times['ray_start_s']:.1f} s, first answered task after {times['first_answer_s']:.1f} s"
        )
    for name, rows in processes.items():
        say(f"\n{name}, idle for {IDLE_S:.0f} s after the load\n")
        say("| process | count | resident MB | unique MB | CPU % of a core |\n|---|---|---|---|---|")
        for row in rows:
            say(
                f"| {row['name']} | {row['count']} | {row['rss_mb']:.0f} | {row['uss_mb']:.0f} "
                f"| {row['idle_cpu_percent']:.1f} |"
            )
        total = sum(row["idle_cpu_percent"] for row in rows)
        count, memory = sum(row["count"] for row in rows), sum(row["uss_mb"] for row in rows)
        say(f"| all | {count} | | {memory:.0f} | {total:.1f} |\n")
