"""``make accuracy``: prints the scores of the diagnosis and of two baselines; exit code 1 when a goal is missed.

``--all`` also lists each mistake of the parts that may be looked at; never of the third that is kept apart, nor of a
file of ``--world``, of which nothing but scores is ever printed. ``--final`` shows in the confusion table what codes
that third was given: for a report, not for tuning.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from serve_app.jobs.diagnosis.catalogue.built_in import load_built_in
from tests.accuracy.items import (
    Item,
    found_items,
    made_items,
    read_items,
    remade_items,
    world_held_out_items,
    world_items,
)
from tests.accuracy.scores import (
    NONE,
    UNKNOWN,
    Answer,
    Scores,
    Share,
    by_engine,
    by_last_lines,
    by_scary_words,
    calibrate,
    measure_share,
    mistakes,
    scores_of,
)

GOAL_TOP_1 = 0.90
GOAL_ACCEPTABLE = 0.97
_PARTS = ("made", "held-out", "remade", "world", "found")
_COLUMNS = (
    "logs",
    "top-1",
    "accepted",
    "precision",
    "recall",
    "unknown",
    "honest",
    "false alarms",
    "line shown",
    "line first",
)


def main(arguments: Sequence[str]) -> int:
    options = _build_parser().parse_args(arguments)
    catalogue = load_built_in()
    look = by_engine(catalogue)
    found = found_items()
    own = made_items() + remade_items() + world_items() + (found or [])
    worlds = {"world held-out": world_held_out_items()}
    worlds |= {f"world: {each.stem}": read_items(each, each.stem) for each in options.world}
    parts: dict[str, list[Item]] = {name: [each for each in own if each.part == name] for name in _PARTS} | worlds
    print(f"Diagnosis, {datetime.now(UTC):%Y-%m-%d}, {len(catalogue.signatures)} signatures, recorded on Ray 2.60")
    if found is None:
        print("skipped: the published logs (found-logs.jsonl) are not beside this project; set SEEDCORE_DATA")
    answers = {name: [look(each) for each in some] for name, some in parts.items() if some}
    _print_scores(answers, own)
    _print_intervals(answers)
    _print_calibration(answers)
    apart = {"held-out", *worlds}
    shown = [each for name, some in answers.items() if name not in apart for each in some]
    _print_confusion(shown + (answers.get("held-out", []) if options.final else []), is_final=options.final)
    if options.all:
        _list_mistakes(shown)
    return _verdict(scores_of(answers.get("held-out", [])))


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.accuracy")
    parser.add_argument("--all", action="store_true", help="also each mistake of the parts that may be looked at")
    parser.add_argument("--final", action="store_true", help="the confusion table with the third that is kept apart")
    parser.add_argument(
        "--world",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="further labelled logs, JSON lines with the keys of found-logs.jsonl: only their scores are printed",
    )
    return parser


def _print_scores(answers: Mapping[str, Sequence[Answer]], own: Sequence[Item]) -> None:
    print("\n" + _row("", _COLUMNS))
    for name, some in answers.items():
        print(_row(name, _cells(scores_of(some))))
    ended = [each for each in answers.get("held-out", []) if each.item.fields.status not in ("PENDING", "RUNNING")]
    print(_row("held-out, of what has ended", _cells(scores_of(ended))))
    baselines: dict[str, Callable[[Item], Answer]] = {
        "(error|exception|fail), last 100 lines": by_scary_words,
        "the last ten lines": by_last_lines,
    }
    for name, way in baselines.items():
        print(_row(name, _cells(scores_of([way(each) for each in own]))))


def _print_intervals(answers: Mapping[str, Sequence[Answer]]) -> None:
    print("\nwith their intervals of 95 % (Wilson)")
    for name, some in answers.items():
        failures = [each for each in some if each.item.primary not in (NONE, UNKNOWN)]
        shares = {
            "top-1": measure_share(sum(each.is_first_choice for each in some), len(some)),
            "accepted": measure_share(sum(each.is_acceptable for each in some), len(some)),
            "line shown": measure_share(sum(each.shows_evidence for each in failures), len(failures)),
            "line first": measure_share(sum(each.shows_evidence_first for each in failures), len(failures)),
        }
        print(f"  {name:26}" + "".join(f"  {what} {_render_share(each)}" for what, each in shares.items()))


def _print_calibration(answers: Mapping[str, Sequence[Answer]]) -> None:
    print("\nhow often a certainty is right (top-1; accepted)")
    for name, some in answers.items():
        table = calibrate(some)
        print(f"  {name:26}" + "".join(f"  {each} {_render_pair(*pair)}" for each, pair in table.items()))


def _render_pair(first: Share, accepted: Share) -> str:
    return f"{_render_share(first)}; {accepted.part}" if first.whole else "-"


def _render_share(share: Share) -> str:
    return f"{share.part}/{share.whole} ({share.low:.2f}-{share.high:.2f})" if share.whole else "-"


def _print_confusion(answers: Sequence[Answer], *, is_final: bool) -> None:
    print("\nlabel -> answer, where they differ" + ("" if is_final else " (without what is kept apart)"))
    for (label, answer), count in mistakes(answers).most_common():
        print(f"  {count:3}  {label} -> {answer}")


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
        _number(scores.evidence_first),
    )


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}"


def _row(name: str, cells: Sequence[str]) -> str:
    return f"{name:40}" + "".join(f"{cell:>14}" for cell in cells)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
