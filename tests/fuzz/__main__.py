"""``make fuzz``: 10 000 cases drawn from the published schema; the exit code is 0 when none of them shows a fault.

In this process, over a recorded Ray; with ``--url`` to an application that runs, whose tokens are read from
``SEEDCORE_READER_TOKEN``, ``SEEDCORE_EXECUTOR_TOKEN`` and ``SEEDCORE_OPERATOR_TOKEN``. There what would start jobs is
left out.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping
from typing import Any

import httpx
from schemathesis.python.asgi import _get_portal

from serve_app.api.access import Role
from tests.fuzz.application import EVENTS_KEY, KNOWN_JOB, TOKENS, build_application
from tests.fuzz.judging import EXCEPTIONS
from tests.fuzz.run import Figures, Target, run

URL = "http://localhost:8000"
# What would run whatever words were drawn, or would change what runs.
STARTS_JOBS = frozenset(
    {"POST /jobs", "POST /jobs/{id}/stop", "POST /jobs/{id}/retry", "DELETE /jobs/{id}", "POST /organism/initialize"}
)


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1, help="another one draws other cases")
    parser.add_argument("--url", default=None, help="an application that runs; without it one in this process")
    args = parser.parse_args()
    began = time.monotonic()
    target = aim_here() if args.url is None else aim_at(args.url, _read_tokens())
    figures = run(target, args.count, args.seed, _report if sys.stderr.isatty() else _skip)
    print(describe(figures, time.monotonic() - began, args.seed))
    return 1 if figures.faults else 0


def aim_here() -> Target:
    """The application in this process."""
    # All requests are answered in that loop, so what it is made of must be made there.
    api: Any = _get_portal().call(build_application)
    known = {"id": KNOWN_JOB, "key": EVENTS_KEY}
    return Target(api.openapi(), URL, TOKENS, known, api)


def aim_at(url: str, tokens: Mapping[str, str]) -> Target:
    """One that runs. The job that is asked for has ended: its log ends, too."""
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {tokens['reader']}"}, timeout=30) as client:
        document = client.get("/openapi.json").raise_for_status().json()
        jobs = client.get("/jobs", params={"limit": 1, "outcome": "succeeded"}).raise_for_status().json()["items"]
    known = {"id": str(jobs[0]["id"])} if jobs else {}
    return Target(document, url, {"nobody": None, **tokens}, known, left_out=STARTS_JOBS)


def _read_tokens() -> dict[str, str]:
    return {role.name.lower(): os.environ[f"SEEDCORE_{role.name}_TOKEN"] for role in Role}


def describe(figures: Figures, took_s: float, seed: int) -> str:
    """The figures, as text."""
    lines = [
        f"{figures.cases} cases ({figures.valid} of them valid) in {took_s:.0f} s, seed {seed}, to "
        f"{len(figures.by_operation)} operations",
        "by role: " + ", ".join(f"{name} {count}" for name, count in sorted(figures.by_role.items())),
        "by status: " + ", ".join(f"{status} {count}" for status, count in sorted(figures.by_status.items())),
    ]
    for (label, refusal), count in sorted(figures.excused.items()):
        lines.append(f"allowed by the schema, and refused: {count} x {label} {refusal}")
        lines.append(f"    since {EXCEPTIONS[label, refusal]}")
    for fault, cases in sorted(figures.faults.items()):
        lines += [f"FAULT {fault}", *(f"    {case}" for case in cases)]
    lines.append(f"{len(figures.faults)} faults")
    return "\n".join(lines)


def _report(cases: int) -> None:
    print(f"\r{cases} cases", end="", file=sys.stderr, flush=True)


def _skip(_: int) -> None:
    pass


if __name__ == "__main__":
    sys.exit(main())
