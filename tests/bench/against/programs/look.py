"""CPU of a look over so many ended jobs, by the side's own simulated cluster: reading, judging and remembering."""

from __future__ import annotations

import json
import sys

from layouts import load


def main(jobs: int) -> None:
    """Print the figures in milliseconds."""
    poll = load("bench_poll")
    poll.JOBS = jobs
    cost = poll.cost_of_a_look()
    figures = {"unchanged": cost.unchanged_ms, "one job changed": cost.one_change_ms, "the first": cost.first_ms}
    print(json.dumps(figures))


if __name__ == "__main__":
    main(int(sys.argv[1]))
