"""What Prometheus is told, as plain numbers: names, labels and bounds. ``prometheus`` hands them to Ray.

Every label has few values: kinds of jobs beyond 20 become ``other``, nodes go by their address, 200 of them at a time
and 500 in all; everything else has its values from this code. A label set that vanishes is not left at its last value:
what counts becomes 0, and a ratio or a time of nothing is NaN, which Prometheus shows as a gap (0 would be a lie).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from serve_app.metrics.responses import GROUPS
from serve_app.redaction import strip_controls

MOST_KINDS = 20
MOST_RULES = 50
MOST_NODES = 200
MOST_NODES_EVER = 500
OTHER = "other"
_MAX_CHARS = 64
_QUANTILES = {"p50_s": "0.5", "p95_s": "0.95", "p99_s": "0.99"}

Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. ``gone`` is what a gauge becomes when its labels are no longer told."""

    type: Literal["gauge", "counter", "histogram"]
    labels: Labels
    description: str
    gone: float = 0.0
    boundaries: tuple[float, ...] = ()


# Ray puts `ray_` before each name, and ends the names of counters with `_total`.
METRICS: dict[str, Metric] = {
    "seedcore_jobs": Metric("gauge", ("kind", "outcome", "verdict"), "Jobs that are listed now."),
    "seedcore_jobs_ended_total": Metric("counter", ("kind", "outcome"), "Jobs whose end was seen."),
    # Ray keeps the buckets and makes the sum of their middles.
    "seedcore_job_duration_s": Metric(
        "histogram",
        ("kind",),
        "From start to end of the jobs whose end was seen, seconds.",
        boundaries=(1, 5, 15, 60, 300, 900, 3_600, 14_400, 43_200, 86_400, 259_200),
    ),
    "seedcore_job_success_ratio": Metric(
        "gauge", ("window",), "Succeeded of the jobs that ended in the window, 0 to 1.", math.nan
    ),
    "seedcore_job_error_ratio": Metric(
        "gauge", ("window",), "Failed or lost of the jobs that ended in the window, 0 to 1.", math.nan
    ),
    "seedcore_node_cpu_ratio": Metric("gauge", ("node",), "Physical use of the node's CPUs, 0 to 1.", math.nan),
    "seedcore_node_memory_ratio": Metric("gauge", ("node",), "Physical use of the node's memory, 0 to 1.", math.nan),
    "seedcore_api_response_s": Metric(
        "gauge", ("route", "quantile"), "Response time of this API in the last 5 minutes, seconds.", math.nan
    ),
    "seedcore_api_responses_total": Metric("counter", ("route", "status"), "Answers of this API."),
    "seedcore_alerts": Metric("gauge", ("rule", "state"), "Alerts that are pending or firing."),
    "seedcore_look_duration_s": Metric("gauge", (), "How long the latest look at the cluster took, seconds."),
    "seedcore_look_age_s": Metric("gauge", (), "Age of the latest look at the cluster, seconds."),
    "seedcore_degraded": Metric("gauge", (), "How many parts of the latest look are missing or old."),
}


@dataclass(frozen=True, slots=True)
class MetricReading:
    """A value of a gauge, an increment of a counter, or an observation of a histogram."""

    name: str
    labels: Labels
    value: float


class Exposition:
    """Makes readings of what was observed; remembers what was told before."""

    def __init__(self) -> None:
        self._kinds: set[str] = set()
        self._nodes: set[str] = set()
        self._shown: dict[str, set[Labels]] = {}
        self._totals: dict[str, int] = {}

    def list_readings(self, observed: Mapping[str, Any]) -> list[MetricReading]:
        """All there is to tell. A part that is absent or None is left as it was told before.

        - ``jobs``: (kind, outcome, verdict) of every job listed;
        - ``ended``: (kind, outcome, seconds or None) of each job whose end is new;
        - ``ratios``: by window, ``success_ratio`` and ``error_ratio``;
        - ``nodes``: ``MetricFigures.compute_node_ratios``; ``responses``: ``MetricFigures.compute_responses_by_group``;
          ``response_totals``: ``MetricFigures.count_responses``;
        - ``alerts``: by rule, how many are in each state;
        - ``look_duration_s``, ``look_age_s``; ``degraded``: the sentences.
        """
        told: list[MetricReading] = []
        gauges: dict[str, dict[Labels, float]] = {}
        if (jobs := observed.get("jobs")) is not None:
            gauges["seedcore_jobs"] = self._count_jobs(jobs)
        if (ratios := observed.get("ratios")) is not None:
            gauges |= _read_ratios(ratios)
        if (nodes := observed.get("nodes")) is not None:
            gauges |= self._read_node_gauges(nodes)
        if (responses := observed.get("responses")) is not None:
            gauges["seedcore_api_response_s"] = _read_response_times(responses)
        if (alerts := observed.get("alerts")) is not None:
            gauges["seedcore_alerts"] = _count_alerts(alerts)
        for name in ("look_duration_s", "look_age_s"):
            if (value := observed.get(name)) is not None:
                gauges[f"seedcore_{name}"] = {(): float(value)}
        if (degraded := observed.get("degraded")) is not None:
            gauges["seedcore_degraded"] = {(): float(len(degraded))}
        for name, values in gauges.items():
            told.extend(self._read_gauge(name, values))
        told.extend(self._read_ended(observed.get("ended") or ()))
        told.extend(self._read_answered(observed.get("response_totals") or {}))
        return told

    def _read_gauge(self, name: str, values: Mapping[Labels, float]) -> Iterator[MetricReading]:
        yield from (MetricReading(name, labels, value) for labels, value in sorted(values.items()))
        gone = self._shown.get(name, set()) - values.keys()
        yield from (MetricReading(name, labels, METRICS[name].gone) for labels in sorted(gone))
        self._shown[name] = set(values)

    def _count_jobs(self, jobs: Iterable[tuple[str, str, str]]) -> dict[Labels, float]:
        counts = Counter(jobs)
        # When all places are free, those that occur most have them.
        for (kind, _, _), _ in counts.most_common():
            self._clamp_kind(kind)
        made: dict[Labels, float] = {}
        for (kind, outcome, verdict), count in counts.items():
            labels = (self._clamp_kind(kind), _clean_text(outcome), _clean_text(verdict))
            made[labels] = made.get(labels, 0.0) + count
        return made

    def _read_ended(self, ended: Iterable[tuple[str, str, float | None]]) -> Iterator[MetricReading]:
        increments: dict[Labels, float] = {}
        for kind, outcome, duration_s in ended:
            labels: Labels = (self._clamp_kind(kind), _clean_text(outcome))
            increments[labels] = increments.get(labels, 0.0) + 1
            if duration_s is not None and 0 <= duration_s < math.inf:
                yield MetricReading("seedcore_job_duration_s", (labels[0],), float(duration_s))
        for labels, count in sorted(increments.items()):
            yield MetricReading("seedcore_jobs_ended_total", labels, count)

    def _read_answered(self, totals: Mapping[str, int]) -> Iterator[MetricReading]:
        for label, total in sorted(totals.items()):
            new = total - self._totals.get(label, 0)
            if new > 0:
                self._totals[label] = total
                route, _, status = label.partition(" ")
                yield MetricReading("seedcore_api_responses_total", (_clean_route(route), status), float(new))

    def _read_node_gauges(self, nodes: Iterable[Mapping[str, Any]]) -> dict[str, dict[Labels, float]]:
        made: dict[str, dict[Labels, float]] = {"seedcore_node_cpu_ratio": {}, "seedcore_node_memory_ratio": {}}
        for node in list(nodes)[:MOST_NODES]:
            label = _clean_text(str(node.get("ip") or node.get("node_id") or ""))
            if label not in self._nodes and len(self._nodes) >= MOST_NODES_EVER:
                continue
            self._nodes.add(label)
            for gauge, value in ((name, node.get(name.removeprefix("seedcore_node_"))) for name in made):
                if value is not None:
                    # Several Ray nodes on one machine: the busier one is told.
                    made[gauge][label,] = max(float(value), made[gauge].get((label,), 0.0))
        return made

    def _clamp_kind(self, kind: str) -> str:
        kind = _clean_text(kind)
        if kind not in self._kinds and len(self._kinds) >= MOST_KINDS:
            return OTHER
        self._kinds.add(kind)
        return kind


def _read_ratios(ratios: Mapping[str, Mapping[str, float | None]]) -> dict[str, dict[Labels, float]]:
    made: dict[str, dict[Labels, float]] = {}
    for ratio in ("success_ratio", "error_ratio"):
        known = {(window,): each[ratio] for window, each in ratios.items()}
        made[f"seedcore_job_{ratio}"] = {label: value for label, value in known.items() if value is not None}
    return made


def _read_response_times(responses: Mapping[str, Mapping[str, float | None]]) -> dict[Labels, float]:
    return {
        (_clean_route(route), quantile): value
        for route, each in responses.items()
        for name, quantile in _QUANTILES.items()
        if (value := each.get(name)) is not None
    }


def _count_alerts(alerts: Mapping[str, Mapping[str, int]]) -> dict[Labels, float]:
    made: dict[Labels, float] = {}
    for place, (rule, states) in enumerate(sorted(alerts.items())):
        for state, count in states.items():
            labels = (_clean_text(rule) if place < MOST_RULES else OTHER, _clean_text(state))
            made[labels] = made.get(labels, 0.0) + count
    return made


def _clean_route(route: str) -> str:
    return route if route in GROUPS else OTHER


def _clean_text(value: str) -> str:
    # An empty label is no label to Prometheus.
    return strip_controls(value)[:_MAX_CHARS] or "unknown"
