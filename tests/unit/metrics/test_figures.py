"""What the inspector tells of nodes and answers, by window, and across a restart."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from serve_app.errors import InvalidInput, Unavailable
from serve_app.metrics.figures import MOST_NODES, MOST_REPLICAS, MetricFigures
from serve_app.metrics.histogram import Histogram
from serve_app.metrics.persistence import Keeper
from serve_app.metrics.utilisation import NOT_MEASURED
from tests.unit.jobs.recordings import answer

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOTHING = {"now": None, "mean": None, "max": None}
ROW: dict[str, Any] = answer("node_use")["data"]["summary"][0]


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def node(node_id: str, *, head: bool = False, **changes: Any) -> dict[str, Any]:
    raylet = {**ROW["raylet"], "nodeId": node_id, "isHeadNode": head}
    changed = {"cpu": 50, "mem": [100, 75, 25.0, 25], "networkSpeed": [10, 20], "disk": {}}
    return {**copy.deepcopy(ROW), **changed, "raylet": raylet, **changes}


def delta(number: int, replica: str = "r1", **seconds: list[float]) -> dict[str, Any]:
    parts = {}
    for label, durations in seconds.items():
        parts[label.replace("_", " ")] = histogram = Histogram()
        for duration_s in durations:
            histogram.observe(duration_s)
    return {"replica": replica, "number": number, "responses": {label: each.to_json() for label, each in parts.items()}}


def same(value: float) -> dict[str, float]:
    return {"now": value, "mean": value, "max": value}


def test_utilisation() -> None:
    meters = MetricFigures()
    meters.observe_nodes([node("head", head=True, cpu=10, now=1)], at(0))
    meters.observe_nodes(
        [node("b", cpu=90, gpus=[{"utilizationGpu": 40}], now=2), node("head", head=True, cpu=30, now=2)], at(5)
    )
    assert meters.compute_utilisation("5m", at(6)) == {
        "as_of": "2026-01-01T12:00:05.000+00:00",
        "reason": None,
        "cpu_ratio": {"now": 0.6, "mean": 0.35, "max": 0.6},
        "memory_ratio": same(0.25),
        "nodes": [
            {
                "node_id": "head",
                "ip": "192.0.2.1",
                "is_head": True,
                "cpu_ratio": {"now": 0.3, "mean": 0.2, "max": 0.3},
                "memory_ratio": same(0.25),
                "disk_ratio": NOTHING,
                "network_receive_bytes_per_s": same(20),
                "network_send_bytes_per_s": same(10),
                "gpu_ratio": None,
            },
            {
                "node_id": "b",
                "ip": "192.0.2.1",
                "is_head": False,
                "cpu_ratio": same(0.9),
                "memory_ratio": same(0.25),
                "disk_ratio": NOTHING,
                "network_receive_bytes_per_s": same(20),
                "network_send_bytes_per_s": same(10),
                "gpu_ratio": same(0.4),
            },
        ],
    }
    assert meters.compute_node_ratios(at(6)) == [
        {"node_id": "head", "ip": "192.0.2.1", "cpu_ratio": 0.3, "memory_ratio": 0.25},
        {"node_id": "b", "ip": "192.0.2.1", "cpu_ratio": 0.9, "memory_ratio": 0.25},
    ]
    assert {ratio["cpu_ratio"] for ratio in meters.compute_node_ratios(at(126))} == {None}


def test_why_there_is_nothing() -> None:
    meters = MetricFigures()
    nothing = {"cpu_ratio": NOTHING, "memory_ratio": NOTHING, "nodes": []}
    never = "The nodes have not been measured yet."
    assert meters.compute_utilisation("1h", NOON) == {"as_of": None, "reason": never, **nothing}
    meters.note_nodes_failed("Ray said no.")
    assert meters.compute_utilisation("1h", NOON) == {"as_of": None, "reason": "Ray said no.", **nothing}
    assert meters.compute_node_ratios(NOON) == []
    meters.observe_nodes([node("a"), {"raylet": node("b")["raylet"]}], NOON)
    assert meters.compute_utilisation("1h", NOON)["reason"] == f"1 of 2 nodes are not measured: {NOT_MEASURED}"
    meters.observe_nodes([node("a")], NOON)
    assert meters.compute_utilisation("1h", NOON)["reason"] is None
    assert meters.compute_utilisation("1h", at(200))["reason"] == "The nodes were last measured 200 s ago."
    meters.note_nodes_failed("Ray said no.")
    assert meters.compute_utilisation("1h", NOON)["reason"] == "Ray said no."


@pytest.mark.parametrize("window", ["", "2h", "5M"])
def test_windows_that_are_none(window: str) -> None:
    with pytest.raises(InvalidInput, match="window must be one of 5m, 1h, 24h, 7d"):
        MetricFigures().compute_utilisation(window, NOON)
    with pytest.raises(InvalidInput):
        MetricFigures().compute_responses(window, NOON)


def test_two_hundred_nodes_are_kept() -> None:
    meters = MetricFigures()
    meters.observe_nodes([node(f"gone{number}") for number in range(150)], at(0))
    meters.observe_nodes([node(f"n{number:03}", cpu=100 * (number >= 200)) for number in range(250)], at(60))
    told = meters.compute_utilisation("5m", at(60))
    assert len(told["nodes"]) == len(meters.compute_node_ratios(at(60))) == MOST_NODES
    assert told["reason"] == "200 of 250 nodes are kept one by one; the cluster counts all."
    assert told["cpu_ratio"]["now"] == 0.2
    assert len(meters._series.list_labels("node")) == MOST_NODES


def test_nodes_that_are_gone_are_kept_while_there_is_room() -> None:
    meters = MetricFigures()
    for number in range(500):
        meters.observe_nodes([node("head", head=True), node(f"n{number}")], at(number))
    assert len(meters._series.list_labels("node")) == MOST_NODES
    assert [each["node_id"] for each in meters.compute_utilisation("7d", at(500))["nodes"]] == ["head", "n499"]


def test_responses() -> None:
    meters = MetricFigures()
    empty = {"count": 0, "errors": 0, "p50_s": None, "p95_s": None, "p99_s": None, "max_s": None}
    assert meters.compute_responses("5m", NOON) == empty
    assert meters.record_responses(delta(1, tasks_2xx=[0.1] * 98, jobs_5xx=[2.0]), at(0))
    assert meters.record_responses(delta(1, "r2", tasks_4xx=[5.0]), at(60))
    told = meters.compute_responses("5m", at(61))
    assert (told["count"], told["errors"], told["max_s"]) == (100, 1, 5.0)
    assert [told["p50_s"], told["p95_s"], told["p99_s"]] == pytest.approx([0.1, 0.1, 2.0], rel=0.1)
    groups = meters.compute_responses_by_group("5m", at(61))
    assert {group: each["count"] for group, each in groups.items()} == {"tasks": 99, "jobs": 1}
    assert groups["jobs"] == {"count": 1, "p50_s": 2.0, "p95_s": 2.0, "p99_s": 2.0}
    assert meters.count_responses() == {"tasks 2xx": 98, "jobs 5xx": 1, "tasks 4xx": 1}
    assert meters.compute_responses("5m", at(4000)) == empty


def test_an_answer_is_worked_out_once_until_something_is_measured() -> None:
    meters = MetricFigures()
    meters.observe_nodes([node("a", now=1)], at(0))
    first = meters.compute_utilisation("5m", at(1))
    assert meters.compute_utilisation("5m", at(5.9)) is first
    assert meters.compute_utilisation("1h", at(5.9)) is not first
    # After 5 s, with a clock that went back, and after each measurement, also one that failed.
    assert meters.compute_utilisation("5m", at(6)) is not first
    assert meters.compute_utilisation("5m", at(0)) is not first
    meters.observe_nodes([node("a", cpu=90, now=6)], at(6))
    assert meters.compute_utilisation("5m", at(6))["cpu_ratio"]["now"] == 0.9
    meters.note_nodes_failed("Ray does not answer.")
    assert meters.compute_utilisation("5m", at(6))["reason"] == "Ray does not answer."


def test_a_delta_counts_once() -> None:
    meters = MetricFigures()
    told = [meters.record_responses(delta(number, jobs_2xx=[1.0]), NOON) for number in (1, 1, 1, 2, 1, 3)]
    assert told == [True, False, False, True, False, True]
    assert meters.compute_responses("5m", NOON)["count"] == 3


def test_replicas_that_are_gone_are_forgotten() -> None:
    meters = MetricFigures()
    for number in range(1, 1000):
        meters.record_responses(delta(1, f"r{number}", jobs_2xx=[1.0]), NOON)
        meters.record_responses(delta(number, "live", jobs_2xx=[1.0]), NOON)
    assert len(meters._numbers) == MOST_REPLICAS
    assert not meters.record_responses(delta(999, "live", jobs_2xx=[1.0]), NOON)


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"replica": "r", "number": "x", "responses": {}},
        {"replica": "r", "number": 1, "responses": []},
        {"replica": "r", "number": 1, "responses": {"jobs 2xx": {}}},
        delta(1, other_9xx=[1.0]),
        delta(1, attack_2xx=[1.0]),
    ],
)
def test_what_is_no_delta(broken: Any) -> None:
    meters = MetricFigures()
    with pytest.raises(InvalidInput):
        meters.record_responses(broken, NOON)
    assert meters.count_responses() == {}


class Store:
    """``load_samples`` and ``save_samples`` from memory, in pages of two."""

    def __init__(self) -> None:
        self.rows: dict[Any, dict[str, Any]] = {}
        self.failing = False
        self.pages = 0

    async def load(self, since_s: int, after: list[Any] | None) -> dict[str, Any]:
        self.pages += 1
        self._check()
        keys = sorted(key for key in self.rows if key[3] >= since_s and (after is None or key > tuple(after)))
        more = len(keys) > 2
        return {"items": [self.rows[key] for key in keys[:2]], "next": list(keys[1]) if more else None}

    async def save(self, rows: list[dict[str, Any]]) -> None:
        self._check()
        for row in json.loads(json.dumps(rows)):
            self.rows[row["series"], row["label"], row["width_s"], row["starts_at"]] = row

    def _check(self) -> None:
        if self.failing:
            raise Unavailable("The store is down.")


async def test_a_restart_goes_on_where_it_was() -> None:
    store, before = Store(), MetricFigures()
    keeper = Keeper(before, store.load, store.save, lambda: NOON)
    for second in range(0, 600, 5):
        before.observe_nodes([node("a", cpu=second % 100, now=second)], at(second))
        before.record_responses(delta(second + 1, jobs_2xx=[second / 100]), at(second))
        if second % 60 == 0:
            await keeper.keep()
    await keeper.keep()
    assert before.list_unsaved() == []
    after = MetricFigures()
    assert after.list_unsaved() == []
    await Keeper(after, store.load, store.save, lambda: at(600)).keep()
    after.observe_nodes([node("a", cpu=95, now=595)], at(595))
    before.observe_nodes([node("a", cpu=95, now=595)], at(595))
    assert after.compute_utilisation("1h", at(600)) == before.compute_utilisation("1h", at(600))
    assert after.compute_responses("1h", at(600)) == before.compute_responses("1h", at(600))
    assert after.compute_responses("1h", at(600))["count"] == 120
    assert store.pages > 10


async def test_a_store_that_is_down_only_delays() -> None:
    store, meters = Store(), MetricFigures()
    old = {"series": "responses", "label": "jobs 2xx", "width_s": 60, "starts_at": int(NOON.timestamp())}
    await store.save([{**old, "payload": delta(1, jobs_2xx=[1.0])["responses"]["jobs 2xx"]}])
    keeper = Keeper(meters, store.load, store.save, lambda: NOON)
    meters.record_responses(delta(1, jobs_2xx=[2.0]), NOON)
    store.failing = True
    await keeper.keep()
    assert meters.list_unsaved() == []  # or the minute of before would be overwritten
    store.failing = False
    await keeper.keep()
    assert meters.compute_responses("5m", NOON)["count"] == 2
    assert len(store.rows) == 1
    store.failing = True
    meters.record_responses(delta(2, jobs_2xx=[2.0]), NOON)
    await keeper.keep()
    store.failing = False
    await keeper.keep()
    ((saved,),) = [[Histogram.from_json(row["payload"]).count for row in store.rows.values()]]
    assert saved == 3


def test_rows_that_mean_nothing_are_left_out() -> None:
    meters = MetricFigures()
    good = {"series": "cluster", "label": "all", "width_s": 60, "starts_at": int(NOON.timestamp())}
    payload = {"cpu_ratio": [1, 1, 1, 1]}
    rows: list[dict[str, Any]] = [
        {**good, "payload": payload},
        {**good, "starts_at": good["starts_at"] - 8 * 86_400, "payload": payload},  # too old
        {**good, "payload": None},
        {**good, "series": "later", "payload": payload},
        {**good, "series": "responses", "label": "attack", "payload": Histogram().to_json()},
        {},
        *({**good, "series": "node", "label": f"n{number}", "payload": payload} for number in range(MOST_NODES + 3)),
    ]
    assert meters.restore(rows, NOON) == 4 + 3
    assert meters.compute_utilisation("5m", NOON)["cpu_ratio"] == same(1)
