"""How the answers to labelled logs are counted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from serve_app.jobs.diagnosis.models import Fields
from tests.accuracy.__main__ import main
from tests.accuracy.items import Item, read_items, remade_items
from tests.accuracy.scores import Answer, Share, calibrate, measure_share


def _answer(primary: str, code: str, certainty: str | None, shown: tuple[str, ...] = (), evidence: str = "") -> Answer:
    item = Item("a", "made", primary, frozenset({"actor.died"}), evidence, Fields(), ())
    return Answer(item, code, shown, certainty)


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [(0, 0, 0.0, 1.0), (0, 10, 0.0, 0.278), (5, 10, 0.237, 0.763), (10, 10, 0.722, 1.0), (99, 100, 0.946, 0.998)],
)
def test_a_share_has_the_interval_of_wilson(part: int, whole: int, low: float, high: float) -> None:
    share = measure_share(part, whole)
    assert (share.part, share.whole) == (part, whole)
    assert (share.low, share.high) == pytest.approx((low, high), abs=0.001)


def test_a_certainty_is_held_against_the_labels() -> None:
    answers = [
        _answer("node.died", "node.died", "certain"),
        _answer("node.died", "actor.died", "certain"),
        _answer("node.died", "app.exception", "possible"),
        _answer("none", "none", None),
    ]
    counts = {name: (first.part, first.whole, ok.part) for name, (first, ok) in calibrate(answers).items()}
    assert counts == {"certain": (1, 2, 2), "likely": (0, 0, 0), "possible": (0, 1, 0)}
    assert calibrate([])["likely"][0] == Share(0, 0, 0.0, 1.0)


def test_the_first_line_shown_counts_by_itself() -> None:
    late = _answer("node.died", "node.died", "certain", ("starting", "its  node is dead, so it ended"), "node is dead")
    assert (late.shows_evidence, late.shows_evidence_first) == (True, False)
    first = _answer("node.died", "node.died", "certain", ("node is dead",), "its node is dead")
    assert (first.shows_evidence, first.shows_evidence_first) == (True, True)
    nothing = _answer("node.died", "node.died", "certain", (), "")
    assert (nothing.shows_evidence, nothing.shows_evidence_first) == (False, False)


def test_a_text_may_hold_signs_that_python_counts_as_line_ends(tmp_path: Path) -> None:
    place = tmp_path / "w.jsonl"
    row = {"id": "w1", "text": "a\x85b\u2028c", "fields": None, "primary": "none", "acceptable": [], "evidence": ""}
    place.write_text(json.dumps(row, ensure_ascii=False) + "\n\n", encoding="utf-8")
    assert [(each.id, each.part) for each in read_items(place, "w")] == [("w1", "w")]


def test_of_a_world_only_scores_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "half.jsonl"
    secret = "ValueError: only-in-the-world"
    row = {"id": "w-1234", "text": secret, "fields": {}, "primary": "node.died", "acceptable": [], "evidence": secret}
    place.write_text(json.dumps(row) + "\n", encoding="utf-8")
    main(["--all", "--final", "--world", str(place)])
    out = capsys.readouterr().out
    assert "world: half" in out
    assert "only-in-the-world" not in out
    assert "w-1234" not in out
    assert "node.died -> app.exception" not in out


def test_remade_logs_are_whole() -> None:
    items = remade_items()
    assert len(items) == 52
    assert {each.part for each in items} == {"remade"}
