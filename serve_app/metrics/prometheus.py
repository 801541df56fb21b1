"""The metrics of this application among Ray's own: the adapter to ``ray.util.metrics``, and its only user.

Ray's agent on the node of the calling replica exports them, beside Ray's, at the port that the dashboard's
``/api/prometheus/sd`` names; there is nothing to be scraped in this application. ``ray.serve.metrics`` would add the
replica's id to each label set, and every restart would begin new series.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ray
from ray.util import metrics

from serve_app.metrics.exposition import METRICS, Exposition, Metric


class RayMetrics:
    """Publishes what was observed. Metrics are made with the first of their values, in the replica that has them."""

    def __init__(self) -> None:
        self._exposition = Exposition()
        self._made: dict[str, Any] = {}

    def publish(self, observed: Mapping[str, Any]) -> None:
        """Tell Ray's agent what ``Exposition.list_readings`` makes of it; does not block and asks nobody."""
        for reading in self._exposition.list_readings(observed):
            metric = METRICS[reading.name]
            tell = self._get_metric(reading.name, metric)
            tell(reading.value, dict(zip(metric.labels, reading.labels, strict=True)))

    def _get_metric(self, name: str, metric: Metric) -> Any:
        if name not in self._made:
            self._made[name] = _create_metric(name, metric)
        return self._made[name]


def choose_publisher() -> Callable[[Mapping[str, Any]], None]:
    """``RayMetrics.publish`` in a process of a Ray cluster; elsewhere nobody is told."""
    return RayMetrics().publish if ray.is_initialized() else _publish_nothing


def _publish_nothing(observed: Mapping[str, Any]) -> None: ...


def _create_metric(name: str, metric: Metric) -> Any:
    if metric.type == "gauge":
        return metrics.Gauge(name, metric.description, metric.labels).set
    if metric.type == "counter":
        return metrics.Counter(name.removesuffix("_total"), metric.description, metric.labels).inc
    return metrics.Histogram(name, metric.description, list(metric.boundaries), metric.labels).observe
