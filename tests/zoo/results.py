"""What came out, program by program: as data that outlives the run, and as a table."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.zoo.compare import Checked, State
from tests.zoo.model import Program, Words

OK, MISS, NOT_PROVEN, FAILED, LEFT_OUT = "ok", "MISS", "NOT PROVEN", "FAILED", "left out"
"""``NOT PROVEN``: the program did not do what it claims, so nothing is said of the answers."""


@dataclass(frozen=True, slots=True)
class Result:
    """One program: its moments, what its requests had wrong, and what Ray's tables did not bear out."""

    name: str
    about: str
    twin: str | None
    fingerprint: str
    checked: tuple[Checked, ...] = ()
    asked: Words = ()
    not_proven: Words = ()
    failed: str = ""
    left_out: str = ""
    seconds: float = 0.0
    traces: Any = None

    @property
    def state(self) -> str:
        """In a word."""
        if self.left_out:
            return LEFT_OUT
        if self.failed:
            return FAILED
        if self.not_proven:
            return NOT_PROVEN
        return OK if not self.asked and all(each.state is State.MET for each in self.checked) else MISS

    def list_wrong(self) -> list[str]:
        """Everything that was not as it should be, a line each."""
        missed = [each for each in self.checked if each.state is not State.MET]
        lines = [f"{each.job}, {each.moment}: {'; '.join(each.wrong)}" for each in missed]
        said = [self.failed, *(f"not what it claims: {each}" for each in self.not_proven), *self.asked]
        return [each for each in said if each] + lines


def compute_fingerprint(program: Program, limit_s: float) -> str:
    """The same as long as nothing of the program and of what is expected has changed."""
    return hashlib.sha256(f"{program!r} {limit_s}".encode()).hexdigest()[:16]


def render_table(results: Iterable[Result]) -> str:
    """Program, moment, expected, got, and whether they are the same; what is wrong below each that misses."""
    lines = [f"{'program':<24} {'moment':<17} {'':<10} expected / got"]
    for result in results:
        if not result.checked:
            lines.append(f"{result.name:<24} {'requests' if not result.left_out else '':<17} {result.state:<10}")
        for place, each in enumerate(result.checked):
            name = result.name if place == 0 else ""
            state = "ok" if each.state is State.MET else "MISS"
            lines.append(f"{name:<24} {each.moment:<17} {state:<10} {each.expected}")
            if each.state is not State.MET:
                lines.append(f"{'':<24} {'':<17} {'':<10} {each.got}")
        lines += [f"{'':<24} ! {wrong}" for wrong in result.list_wrong()]
        if result.left_out:
            lines.append(f"{'':<24} ! {result.left_out}")
    return "\n".join(lines)


def summarize(results: Iterable[Result]) -> str:
    """How many of each state, and the names of those that are not ok."""
    listed = list(results)
    told = []
    for state in (OK, MISS, NOT_PROVEN, FAILED, LEFT_OUT):
        names = [each.name for each in listed if each.state == state]
        if names:
            told.append(f"{len(names)} {state}" + ("" if state == OK else f": {', '.join(names)}"))
    return "\n".join([f"{len(listed)} programs", *told])


def save_results(path: Path, results: Iterable[Result], about: dict[str, Any]) -> None:
    """Write them all, replacing the file as a whole."""
    body = {**about, "programs": [{"state": each.state, **asdict(each)} for each in results]}
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps(body, indent=1, default=str))
    beside.replace(path)


def load_results(path: Path) -> dict[str, Result]:
    """Those of an earlier run by name; none when there is no file."""
    if not path.exists():
        return {}
    found = {}
    for each in json.loads(path.read_text())["programs"]:
        each.pop("state")
        each["checked"] = tuple(_load_checked(one) for one in each["checked"])
        each["asked"], each["not_proven"] = tuple(each["asked"]), tuple(each["not_proven"])
        found[each["name"]] = Result(**each)
    return found


def _load_checked(fields: dict[str, Any]) -> Checked:
    return Checked(**{**fields, "state": State(fields["state"]), "wrong": tuple(fields["wrong"])})
