"""``python -m tests.zoo.cost``: what watching costs, for this checkout and for another commit, in one run.

Live: 80 submissions that sleep and 20 drivers with tasks and actors. Simulated: 1 000 running jobs, over HTTP.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.bench.against.process import make_environment
from tests.bench.head import alone, free_ports
from tests.commits import ROOT, check_out
from tests.zoo.cost import simulated
from tests.zoo.cost.counting import Counts, serve
from tests.zoo.cost.live import Load, measure_live
from tests.zoo.cost.made_up import MadeUp

BASELINE = "3441f38"
SIMULATED_JOBS = 1_000
SIMULATED_S = 60.0


def main(arguments: list[str] | None = None) -> int:
    """Measure each side in turn and print both beside each other."""
    asked = _parse(arguments)
    load = Load(asked.submissions, asked.drivers, asked.seconds)
    figures: dict[str, dict[str, Any]] = {}
    with ExitStack() as stack:
        sides = {"here": ROOT}
        if asked.against:
            other, name = stack.enter_context(check_out(asked.against))
            sides = {name: other, **sides}
        stack.enter_context(alone())
        for name, root in sides.items():
            figures[name] = {}
            if asked.part in ("live", "both"):
                _say(f"{name}: {load.submissions} submissions, {load.drivers} drivers")
                figures[name]["live"] = asdict(measure_live(root, load, _say))
            if asked.part in ("simulated", "both"):
                _say(f"{name}: {asked.jobs} jobs, simulated")
                figures[name]["simulated"] = measure_simulated(root, asked.jobs, asked.seconds)
            if asked.out:
                # After each side: the next may be more than this machine bears.
                Path(asked.out).write_text(json.dumps(figures, indent=1))
    print(render_figures(figures))
    return 0


def measure_simulated(root: Path, jobs: int, seconds: float) -> dict[str, Any]:
    """The inspector that lies in ``root``, before so many jobs that are made up."""
    (port,), counts = free_ports(1), Counts()
    with serve(port, MadeUp(jobs, time.time()).answer, counts):
        process = subprocess.Popen(
            [sys.executable, simulated.__file__, f"http://127.0.0.1:{port}", str(seconds)],
            cwd=root, env=make_environment(root), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        said: list[str] = []
        threading.Thread(target=_read_until_measuring, args=(process, counts, said), daemon=True).start()
        assert process.stdout is not None
        told = process.stdout.read()
        if process.wait(timeout=60) != 0:
            raise SystemExit(f"the simulation failed in {root}:\n{''.join(said)[-2_000:]}")
        asked, size = counts.read()
    minutes = seconds / 60
    return {
        "jobs": jobs,
        **json.loads(told.splitlines()[-1]),
        "requests_per_min": round(sum(asked.values()) / minutes, 1),
        "answered_kb_per_min": round(size / 1024 / minutes, 1),
        "questions": {question: round(count / minutes, 1) for question, count in asked.items()},
    }


def _read_until_measuring(process: subprocess.Popen[str], counts: Counts, said: list[str]) -> None:
    """What was asked while it warmed up does not count."""
    assert process.stderr is not None
    for line in process.stderr:
        said.append(line)
        if line.strip() == "measuring":
            counts.clear()


def render_figures(figures: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """Each figure with a column for each side, and what was asked of Ray below."""
    names = list(figures)
    lines = []
    for part in next(iter(figures.values())):
        lines += [f"{part:<44} " + " ".join(f"{name:>14}" for name in names)]
        keys = [key for key in figures[names[0]][part] if key != "questions"]
        lines += [_render_row(f"  {key}", [figures[name][part][key] for name in names]) for key in keys]
        questions = dict.fromkeys(key for name in names for key in figures[name][part]["questions"])
        told = [_render_row(f"  a minute: {key}", [figures[name][part]["questions"].get(key, 0) for name in names])
                for key in questions]  # fmt: skip
        lines += told[:20]
    return "\n".join(lines)


def _render_row(what: str, values: list[Any]) -> str:
    return f"{what:<44} " + " ".join(f"{value:>14}" for value in values)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.zoo.cost", description=__doc__)
    parser.add_argument("--against", default="", metavar="COMMIT", help=f"measured first; the baseline is {BASELINE}")
    parser.add_argument("--part", choices=("live", "simulated", "both"), default="both")
    parser.add_argument("--submissions", type=int, default=80)
    parser.add_argument("--drivers", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=SIMULATED_JOBS, help="of the simulation")
    parser.add_argument("--seconds", type=float, default=SIMULATED_S, help="of each measuring")
    parser.add_argument("--out", default="", help="a file for the figures, as JSON")
    return parser.parse_args(arguments)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
