"""``python -m tests.record [scenario…]``: record the named scenarios, or all; print how large each became."""

from __future__ import annotations

import sys

from tests.record import api, circles, events, pairs, single_node, two_nodes

SCENARIOS = {
    "single-node": single_node.record,
    "two-nodes": two_nodes.record,
    "events": events.record,
    "circles": circles.record,
    "pairs": pairs.record,
    "api": api.record,
}


def main(names: list[str]) -> None:
    """Record one scenario after the other."""
    if unknown := set(names) - set(SCENARIOS):
        raise SystemExit(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}")
    for name in names or SCENARIOS:
        SCENARIOS[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
