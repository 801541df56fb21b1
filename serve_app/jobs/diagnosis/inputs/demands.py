"""What `ray status` says is asked for, and whether the cluster that it shows could ever give it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_USED = re.compile(
    r"^ {0,8}(?P<used>[\d.]{1,20})(?:[KMGT]?i?B)?/(?P<all>[\d.]{1,20})(?P<unit>[KMGT]?i?B)? (?P<name>[\w.:-]{1,80})"
)
_DEMAND = re.compile(r"^ {0,8}(?:autoscaler {1,4})?(?P<asked>\{[^{}]{1,300}\}): ?\d{1,9}\+? pending tasks")
_AMOUNT = re.compile(r"'(?P<name>[\w.:-]{1,80})': (?P<amount>\d{1,18}(?:\.\d{1,9})?)")
_COMING = re.compile(
    r"^ {1,8}\S.{0,120}(?:waiting-for-ssh|setting-up|uninitialized|launching|requested|[Pp]ending launch|\d launching)"
)
_UNITS = {
    "": 1,
    "B": 1,
    "KiB": 1 << 10,
    "MiB": 1 << 20,
    "GiB": 1 << 30,
    "TiB": 1 << 40,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
}
# What each node has for itself, and what `ray status` leaves out of what it shows.
_NOT_SHOWN = ("node:", "accelerator_type:", "bundle_group", "_group_")


def find_impossible(lines: Iterable[str]) -> frozenset[int]:
    """Numbers, from 1, of the demands that ask for more than all nodes have together.

    None while a node is on its way, and none where it is not shown what the nodes have.
    """
    totals: dict[str, float] = {}
    demands: dict[int, Mapping[str, float]] = {}
    for number, line in enumerate(lines, 1):
        if _COMING.match(line):
            return frozenset()
        used, demand = _USED.match(line), _DEMAND.match(line)
        if used is not None:
            amount = _parse_number(used["all"]) * _UNITS.get(used["unit"] or "", 1)
            totals[used["name"]] = max(amount, totals.get(used["name"], 0.0))
        if demand is not None:
            demands[number] = {each["name"]: float(each["amount"]) for each in _AMOUNT.finditer(demand["asked"])}
    if not totals:
        return frozenset()
    return frozenset(number for number, asked in demands.items() if _is_too_much(asked, totals))


def _is_too_much(asked: Mapping[str, float], totals: Mapping[str, float]) -> bool:
    counted = {name: amount for name, amount in asked.items() if not any(each in name for each in _NOT_SHOWN)}
    return any(amount > totals.get(name, 0.0) for name, amount in counted.items() if amount > 0)


def _parse_number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
