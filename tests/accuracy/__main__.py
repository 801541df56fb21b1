"""``make accuracy``: prints the scores of the diagnosis and of two baselines; exit code 1 when a goal is missed.

``--all`` also lists each mistake of the parts that may be looked at; never of the third that is kept apart. ``--final``
shows in the confusion table what codes that third was given: for a report, not for tuning.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from serve_app.jobs.diagnosis.catalogue.built_in import load_built_in
from tests.accuracy.items import Item, found_items, made_items
from tests.accuracy.scores import Answer, Scores, by_engine, by_last_lines, by_scary_words, mistakes, scores_of

GOAL_TOP_1 = 0.90
GOAL_ACCEPTABLE = 0.97
_COLUMNS = ("logs", "top-1", "accepted", "precision", "recall", "unknown", "honest", "false alarms", "line shown")


def main(arguments: Sequence[str]) -> int:
    found = found_items()
    made = made_items()
    items = made + (found or [])
    look = by_engine(load_built_in())
    parts: dict[str, list[Item]] = {
        name: [each for each in items if each.part == name] for name in ("made", "held-out", "found")
    }
    print(
        f"Diagnosis, {datetime.now(UTC):%Y-%m-%d}, {len(load_built_in().signatures)} signatures, recorded on Ray 2.60"
    )
    if found is None:
        print("skipped: the published logs (found-logs.jsonl) are not beside this project; set SEEDCORE_DATA")
    print("\n" + _row("", _COLUMNS))
    answers = {name: [look(each) for each in some] for name, some in parts.items() if some}
    for name, some in answers.items():
        print(_row(name, _cells(scores_of(some))))
    ended = [each for each in answers.get("held-out", []) if each.item.fields.status not in ("PENDING", "RUNNING")]
    print(_row("held-out, of what has ended", _cells(scores_of(ended))))
    baselines: dict[str, Callable[[Item], Answer]] = {
        "(error|exception|fail), last 100 lines": by_scary_words,
        "the last ten lines": by_last_lines,
    }
    for name, way in baselines.items():
        print(_row(name, _cells(scores_of([way(each) for each in items]))))
    print(
        "\nlabel -> answer, where they differ" + ("" if "--final" in arguments else " (without the third kept apart)")
    )
    shown = [name for name in answers if name != "held-out" or "--final" in arguments]
    for (label, answer), count in mistakes([each for name in shown for each in answers[name]]).most_common():
        print(f"  {count:3}  {label} -> {answer}")
    if "--all" in arguments:
        _list_mistakes([each for name, some in answers.items() if name != "held-out" for each in some])
    return _verdict(scores_of(answers.get("held-out", [])))


def _verdict(held_out: Scores) -> int:
    healthy_are_quiet = held_out.false_alarms.startswith("0/")
    reached = held_out.top_1 >= GOAL_TOP_1 and held_out.acceptable >= GOAL_ACCEPTABLE and healthy_are_quiet
    print(
        f"\ngoal on the third that is kept apart: top-1 {GOAL_TOP_1}, accepted {GOAL_ACCEPTABLE}, no false alarm: "
        f"{'reached' if reached else 'NOT reached'}"
    )
    return 0 if reached else 1


def _list_mistakes(answers: Sequence[Answer]) -> None:
    print()
    for each in answers:
        if not each.is_first_choice:
            mark = "accepted" if each.is_acceptable else "WRONG"
            print(f"{mark:9} {each.item.id}: {each.item.primary} -> {each.code} | {' / '.join(each.shown)[:200]}")


def _cells(scores: Scores) -> tuple[str, ...]:
    return (
        str(scores.count),
        *(
            _number(each)
            for each in (scores.top_1, scores.acceptable, scores.precision, scores.recall, scores.unknown_rate)
        ),
        scores.honest,
        scores.false_alarms,
        _number(scores.evidence),
    )


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}"


def _row(name: str, cells: Sequence[str]) -> str:
    return f"{name:40}" + "".join(f"{cell:>14}" for cell in cells)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
