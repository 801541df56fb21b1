"""What Prometheus is told: names, bounded labels, and what becomes of labels that vanish."""

from __future__ import annotations

import math
from typing import Any

import pytest

from serve_app.metrics import prometheus
from serve_app.metrics.exposition import METRICS, MOST_KINDS, MOST_NODES, MOST_NODES_EVER, Exposition
from serve_app.metrics.prometheus import RayMetrics

EVERYTHING: dict[str, Any] = {
    "jobs": [("user", "failed", "BAD"), ("user", "failed", "BAD"), ("observer", "running", "OK")],
    "ended": [("user", "failed", 12.5), ("user", "failed", None), ("user", "succeeded", 3)],
    "ratios": {"5m": {"success_ratio": 0.25, "error_ratio": None}, "1h": {"success_ratio": 0.5, "error_ratio": 0.5}},
    "nodes": [
        {"node_id": "a", "ip": "192.0.2.1", "cpu_ratio": 0.1, "memory_ratio": None},
        {"node_id": "b", "ip": "192.0.2.1", "cpu_ratio": 0.3, "memory_ratio": 0.2},
        {"node_id": "c", "ip": "", "cpu_ratio": 0.0, "memory_ratio": 0.0},
    ],
    "responses": {"tasks": {"count": 3, "p50_s": 0.01, "p95_s": 0.02, "p99_s": None}},
    "response_totals": {"tasks 2xx": 3},
    "alerts": {"cpu": {"pending": 0, "firing": 2}},
    "look_duration_s": 0.5,
    "look_age_s": 2,
    "degraded": ["a", "b"],
}


def told(exposition: Exposition, observed: dict[str, Any]) -> dict[tuple[str, ...], float]:
    readings = exposition.list_readings(observed)
    for reading in readings:
        assert len(reading.labels) == len(METRICS[reading.name].labels)
    return {(reading.name.removeprefix("seedcore_"), *reading.labels): reading.value for reading in readings}


def test_everything() -> None:
    assert told(Exposition(), EVERYTHING) == {
        ("jobs", "user", "failed", "BAD"): 2,
        ("jobs", "observer", "running", "OK"): 1,
        ("jobs_ended_total", "user", "failed"): 2,
        ("jobs_ended_total", "user", "succeeded"): 1,
        ("job_duration_s", "user"): 3,  # and 12.5 before, under the same name
        ("job_success_ratio", "5m"): 0.25,
        ("job_success_ratio", "1h"): 0.5,
        ("job_error_ratio", "1h"): 0.5,
        ("node_cpu_ratio", "192.0.2.1"): 0.3,
        ("node_cpu_ratio", "c"): 0,
        ("node_memory_ratio", "192.0.2.1"): 0.2,
        ("node_memory_ratio", "c"): 0,
        ("api_response_s", "tasks", "0.5"): 0.01,
        ("api_response_s", "tasks", "0.95"): 0.02,
        ("api_responses_total", "tasks", "2xx"): 3,
        ("alerts", "cpu", "firing"): 2,
        ("alerts", "cpu", "pending"): 0,
        ("look_duration_s",): 0.5,
        ("look_age_s",): 2,
        ("degraded",): 2,
    }
    durations = [
        each.value for each in Exposition().list_readings(EVERYTHING) if each.name == "seedcore_job_duration_s"
    ]
    assert durations == [12.5, 3]


def test_what_is_not_told_stays_and_what_vanishes_does_not() -> None:
    exposition = Exposition()
    told(exposition, EVERYTHING)
    assert told(exposition, {}) == told(exposition, dict.fromkeys(EVERYTHING)) == {}
    empty = {"jobs": [], "ratios": {"5m": {"success_ratio": None, "error_ratio": None}}, "alerts": {}, "degraded": []}
    gone = told(exposition, {**empty, "nodes": [], "responses": {}})
    assert {key: value for key, value in gone.items() if not math.isnan(value)} == {
        ("jobs", "user", "failed", "BAD"): 0,
        ("jobs", "observer", "running", "OK"): 0,
        ("alerts", "cpu", "firing"): 0,
        ("alerts", "cpu", "pending"): 0,
        ("degraded",): 0,
    }
    assert sorted(key for key, value in gone.items() if math.isnan(value)) == [
        ("api_response_s", "tasks", "0.5"),
        ("api_response_s", "tasks", "0.95"),
        ("job_error_ratio", "1h"),
        ("job_success_ratio", "1h"),
        ("job_success_ratio", "5m"),
        ("node_cpu_ratio", "192.0.2.1"),
        ("node_cpu_ratio", "c"),
        ("node_memory_ratio", "192.0.2.1"),
        ("node_memory_ratio", "c"),
    ]
    # Once told, a set that is gone is not told again.
    assert told(exposition, {**empty, "nodes": [], "responses": {}}) == {("degraded",): 0}


def test_counters_grow_by_what_is_new() -> None:
    exposition = Exposition()
    totals = [{"tasks 2xx": 3}, {"tasks 2xx": 3}, {"tasks 2xx": 5, "jobs 5xx": 1}]
    assert [told(exposition, {"response_totals": each}) for each in totals] == [
        {("api_responses_total", "tasks", "2xx"): 3},
        {},
        {("api_responses_total", "tasks", "2xx"): 2, ("api_responses_total", "jobs", "5xx"): 1},
    ]


def test_kinds_beyond_twenty_become_other() -> None:
    exposition = Exposition()
    rare = [(f"rare{number}", "running", "OK") for number in range(40)]
    often = [("often", "running", "OK")] * 9
    first = told(exposition, {"jobs": [*rare, *often]})
    assert (len(first), first["jobs", "often", "running", "OK"]) == (MOST_KINDS + 1, 9)
    assert first["jobs", "other", "running", "OK"] == 21
    later = told(exposition, {"ended": [("new", "failed", 1.0), ("often", "failed", 1.0)]})
    assert {key[1] for key in later} == {"other", "often"}


def test_nodes_are_bounded() -> None:
    exposition = Exposition()
    seen: set[str] = set()
    for day in range(10):
        nodes = [{"ip": f"10.{day}.0.{number}", "cpu_ratio": 0.5, "memory_ratio": 0.5} for number in range(300)]
        readings = [
            each for each in exposition.list_readings({"nodes": nodes}) if each.name == "seedcore_node_cpu_ratio"
        ]
        assert sum(each.value == 0.5 for each in readings) <= MOST_NODES
        seen |= {each.labels[0] for each in readings}
    assert len(seen) == MOST_NODES_EVER


@pytest.mark.parametrize(
    ("text", "label"), [("", "unknown"), ("\x1b[31mred\x00", "red"), ("x" * 500, "x" * 64), ("a b", "a b")]
)
def test_labels_are_short_and_printable(text: str, label: str) -> None:
    assert list(told(Exposition(), {"jobs": [(text, "running", "OK")]})) == [("jobs", label, "running", "OK")]


@pytest.mark.parametrize("duration_s", [None, -1.0, math.nan, math.inf])
def test_a_duration_that_is_none_is_not_observed(duration_s: float | None) -> None:
    assert list(told(Exposition(), {"ended": [("user", "failed", duration_s)]})) == [
        ("jobs_ended_total", "user", "failed")
    ]


class FakeMetrics:
    """``ray.util.metrics``: what was made, and what it was told."""

    def __init__(self) -> None:
        self.made: list[tuple[Any, ...]] = []
        self.said: list[tuple[str, float, dict[str, str]]] = []

    def __getattr__(self, type_: str) -> Any:
        fake = self

        class Made:
            def __init__(self, name: str, *arguments: Any) -> None:
                fake.made.append((type_, name, *arguments[1:]))
                self._name = name

            def _tell(self, value: float, tags: dict[str, str]) -> None:
                fake.said.append((self._name, value, tags))

            set = inc = observe = _tell

        return Made


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> FakeMetrics:
    fake = FakeMetrics()
    monkeypatch.setattr(prometheus, "metrics", fake)
    return fake


def test_the_adapter_makes_each_metric_once_and_when_needed(ray: FakeMetrics) -> None:
    adapter = RayMetrics()
    assert ray.made == []
    adapter.publish(EVERYTHING)
    adapter.publish({**EVERYTHING, "response_totals": {"tasks 2xx": 4}})
    by_name = {made[1]: made for made in ray.made}
    assert len(by_name) == len(ray.made) == len(METRICS)
    assert by_name["seedcore_jobs"] == ("Gauge", "seedcore_jobs", ("kind", "outcome", "verdict"))
    assert by_name["seedcore_api_responses"] == ("Counter", "seedcore_api_responses", ("route", "status"))
    assert by_name["seedcore_job_duration_s"][0] == "Histogram"
    assert by_name["seedcore_job_duration_s"][2][:2] == [1, 5]
    assert ("seedcore_jobs_ended", 2.0, {"kind": "user", "outcome": "failed"}) in ray.said
    assert ("seedcore_degraded", 2.0, {}) in ray.said


def test_names_are_what_prometheus_takes() -> None:
    for name, metric in METRICS.items():
        assert name.startswith("seedcore_")
        assert name.endswith("_total") == (metric.type == "counter")
        assert bool(metric.boundaries) == (metric.type == "histogram")
        assert metric.description.endswith(".")
