"""CPU of a look over 10 000 ended jobs, by the side's own simulated cluster: reading, judging and remembering."""

from __future__ import annotations

import json

from layouts import load


def main() -> None:
    """Print the figures in milliseconds."""
    cost = load("bench_poll").cost_of_a_look()
    figures = {"unchanged": cost.unchanged_ms, "one job changed": cost.one_change_ms, "the first": cost.first_ms}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
