"""All figures over time that the inspector holds: how used the nodes are, and how this API answers. No Ray here.

At most 200 nodes have series of their own; of more, the cluster as a whole is still measured, and a note says so. The
bounds of each series are those of ``series``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from organs.times import format_time
from serve_app.errors import InvalidInput
from serve_app.metrics.histogram import Histogram
from serve_app.metrics.responses import CLASSES, ERRORS, GROUPS, build_label
from serve_app.metrics.series import KEPT_FOR_S, NOW_S, Key, SeriesStore
from serve_app.metrics.utilisation import GAUGES, Freshness, NodeUse, combine_nodes, parse_nodes
from serve_app.queries.windows import WINDOWS_S, require_window
from serve_app.schemas.alerts import NodeRatios
from serve_app.schemas.summary import NodeUtilisation, ResponseQuantiles, ResponsesView, UtilisationView

MOST_NODES = 200
MOST_REPLICAS = 200
SAVED_AT_ONCE = 1_000

_NODE, _CLUSTER, _RESPONSES = "node", "cluster", "responses"
_CLUSTER_GAUGES = ("cpu_ratio", "memory_ratio")
# The cluster's and the responses' series have labels, too: an empty one could not be stored.
_ALL = "all"
_RESPONSE_LABELS = frozenset(build_label(group, status) for group in GROUPS for status in range(2, 2 + len(CLASSES)))
_QUANTILES = (0.5, 0.95, 0.99)
_DIGITS = 6
# For 200 nodes the windows of an answer take a good part of a second, in which this process does nothing else.
_TOLD_FOR_S = 5.0

Json = dict[str, Any]


class MetricFigures:
    """Takes in what was measured and tells it by window. ``now`` is always handed in."""

    def __init__(self) -> None:
        self._series = SeriesStore({_NODE: GAUGES, _CLUSTER: _CLUSTER_GAUGES}, [_RESPONSES])
        self._freshness = Freshness()
        self._nodes: list[NodeUse] = []
        self._nodes_at: datetime | None = None
        self._failure: str | None = "The nodes have not been measured yet."
        self._left_out = 0
        self._numbers: dict[str, int] = {}
        self._totals: dict[str, int] = {}
        self._told: dict[str, tuple[datetime, UtilisationView]] = {}
        self._restored = False
        self._offered: dict[Key, int] = {}

    def observe_nodes(self, rows: object, now: datetime) -> None:
        """Take in an answer of ``DashboardClient.list_node_use``."""
        now_s = now.timestamp()
        nodes = self._freshness.check(parse_nodes(rows), now_s)
        self._nodes, self._nodes_at, self._failure = nodes, now, None
        self._told.clear()
        self._series.observe_gauges(_CLUSTER, _ALL, combine_nodes(nodes), now_s)
        kept = nodes[:MOST_NODES]
        self._left_out = len(nodes) - len(kept)
        self._make_room({node.node_id for node in kept})
        for node in kept:
            self._series.observe_gauges(_NODE, node.node_id, node.values, now_s)
        self._series.roll(now_s)

    def note_nodes_failed(self, reason: str) -> None:
        """Ray did not say it this time; ``reason`` is a sentence."""
        self._failure = reason
        self._told.clear()

    def record_responses(self, delta: Mapping[str, Any], now: datetime) -> bool:
        """Take in the delta of an ingress replica; False when it had been counted already.

        Raises ``InvalidInput`` for what is no delta.
        """
        try:
            replica, number = str(delta["replica"])[:64], int(delta["number"])
            parts = {label: Histogram.from_json(value) for label, value in delta["responses"].items()}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidInput(f"These are no response times ({type(error).__name__}).") from None
        if not parts.keys() <= _RESPONSE_LABELS:
            raise InvalidInput("These response times have a label that does not exist.")
        last = self._numbers.pop(replica, 0)
        # Put at the end: the replica that was silent longest goes first, and a live one reports every few seconds.
        self._numbers[replica] = max(number, last)
        if number <= last:
            return False
        if len(self._numbers) > MOST_REPLICAS:
            del self._numbers[next(iter(self._numbers))]
        for label, histogram in parts.items():
            self._series.observe_histogram(_RESPONSES, label, histogram, now.timestamp())
            self._totals[label] = self._totals.get(label, 0) + histogram.count
        self._series.roll(now.timestamp())
        return True

    def compute_utilisation(self, window: str, now: datetime) -> UtilisationView:
        """How used the cluster and each of its living nodes are; raises ``InvalidInput`` for an unknown window.

        Until something is measured, the same answer is told for 5 s; who gets it must not change it.
        """
        length_s = WINDOWS_S[require_window(window)]
        told = self._told.get(window)
        if told is None or not 0 <= (now - told[0]).total_seconds() < _TOLD_FOR_S:
            told = self._told[window] = (now, self._compute_cluster_use(length_s, now))
        return told[1]

    def compute_responses(self, window: str, now: datetime) -> ResponsesView:
        """How many answers, how many of them with a status of 500 or more, and how fast, as the ingress saw them."""
        length_s = WINDOWS_S[require_window(window)]
        errors = self._merge_responses((build_label(group, ERRORS) for group in GROUPS), length_s, now)
        every = self._merge_responses(_RESPONSE_LABELS, length_s, now)
        return {
            "count": every.count,
            "errors": errors.count,
            **_compute_quantiles(every),
            "max_s": _cut_digits(every.max_s),
        }

    def compute_responses_by_group(self, window: str, now: datetime) -> dict[str, Json]:
        """For each group of routes that answered: ``count`` and quantiles."""
        length_s = WINDOWS_S[require_window(window)]
        merged = {
            group: self._merge_responses((build_label(group, status) for status in range(2, 6)), length_s, now)
            for group in GROUPS
        }
        return {
            group: {"count": each.count, **_compute_quantiles(each)} for group, each in merged.items() if each.count
        }

    def count_responses(self) -> dict[str, int]:
        """Answers by label since this process began; they only grow."""
        return dict(self._totals)

    def compute_node_ratios(self, now: datetime) -> list[NodeRatios]:
        """CPU and memory of each node at present: None when it is not known, or no longer."""
        current = self._nodes_at is not None and (now - self._nodes_at).total_seconds() <= NOW_S
        return [
            {
                "node_id": node.node_id,
                "ip": node.ip,
                "cpu_ratio": _cut_digits(node.values["cpu_ratio"]) if current else None,
                "memory_ratio": _cut_digits(node.values["memory_ratio"]) if current else None,
            }
            for node in self._nodes[:MOST_NODES]
        ]

    def restore(self, rows: Iterable[Mapping[str, Any]], now: datetime) -> int:
        """Put in rows of ``Store.load_samples``; how many meant nothing here and were left out."""
        strange = 0
        for row in rows:
            try:
                starts_at = int(row["starts_at"])
                if starts_at > now.timestamp() - KEPT_FOR_S:
                    self._check_label(row["series"], row["label"])
                    key = (row["series"], row["label"], row["width_s"], starts_at)
                    self._series.restore(key, row["payload"])
            except (KeyError, TypeError, ValueError, AttributeError):
                strange += 1
        return strange

    def finish_restoring(self) -> None:
        """All that there is has been restored: from here on ``list_unsaved`` tells what to save."""
        self._told.clear()
        self._series.settle()
        self._restored = True

    def list_unsaved(self) -> list[Json]:
        """Rows for ``Store.save_samples``, at most 1000; none before ``finish_restoring``, lest they replace older
        ones.
        """
        self._offered = self._series.list_changed(SAVED_AT_ONCE) if self._restored else {}
        rows = []
        for key in self._offered:
            name, label, width_s, starts_at = key
            payload = self._series.to_json(key)
            if payload is not None:
                row = {"series": name, "label": label, "width_s": width_s, "starts_at": starts_at}
                rows.append({**row, "payload": payload})
        return rows

    def confirm_saved(self) -> None:
        """The rows that ``list_unsaved`` told last are saved."""
        self._series.unmark(self._offered)
        self._offered = {}

    def _compute_cluster_use(self, length_s: int, now: datetime) -> UtilisationView:
        now_s = now.timestamp()
        cluster = self._series.read_gauges(_CLUSTER, _ALL, length_s, now_s)
        return {
            "as_of": format_time(self._nodes_at),
            "reason": self._explain_gap(now),
            "cpu_ratio": cluster["cpu_ratio"],
            "memory_ratio": cluster["memory_ratio"],
            "nodes": [self._compute_node_use(node, length_s, now_s) for node in self._nodes[:MOST_NODES]],
        }

    def _compute_node_use(self, node: NodeUse, length_s: float, now_s: float) -> NodeUtilisation:
        told = self._series.read_gauges(_NODE, node.node_id, length_s, now_s)
        # A node without a GPU has no such figures, which is another thing than figures that are missing.
        gpu = told["gpu_ratio"]
        return {
            "node_id": node.node_id,
            "ip": node.ip,
            "is_head": node.is_head,
            "cpu_ratio": told["cpu_ratio"],
            "memory_ratio": told["memory_ratio"],
            "disk_ratio": told["disk_ratio"],
            "gpu_ratio": None if gpu["max"] is None else gpu,
            "network_receive_bytes_per_s": told["network_receive_bytes_per_s"],
            "network_send_bytes_per_s": told["network_send_bytes_per_s"],
        }

    def _explain_gap(self, now: datetime) -> str | None:
        if self._failure is not None:
            return self._failure
        silent = sorted({why for node in self._nodes if (why := node.missing.get("cpu_ratio")) is not None})
        dumb = sum("cpu_ratio" in node.missing for node in self._nodes)
        told = [f"{dumb} of {len(self._nodes)} nodes are not measured: {silent[0]}"] if silent else []
        if self._left_out:
            told.append(f"{MOST_NODES} of {len(self._nodes)} nodes are kept one by one; the cluster counts all.")
        if self._nodes_at is not None and (late_s := (now - self._nodes_at).total_seconds()) > NOW_S:
            told.append(f"The nodes were last measured {late_s:.0f} s ago.")
        return " ".join(told) or None

    def _merge_responses(self, labels: Iterable[str], length_s: float, now: datetime) -> Histogram:
        merged = Histogram()
        for label in labels:
            merged.merge(self._series.read_histogram(_RESPONSES, label, length_s, now.timestamp()))
        return merged

    def _make_room(self, present: set[str]) -> None:
        """Series of nodes that are gone are kept while there is room."""
        known = self._series.list_labels(_NODE)
        new = len(present - set(known))
        gone = [label for label in known if label not in present]
        for label in gone[: max(0, len(known) + new - MOST_NODES)]:
            self._series.forget(_NODE, label)

    def _check_label(self, name: str, label: str) -> None:
        known = self._series.list_labels(name) if name == _NODE else []
        strange = name == _RESPONSES and label not in _RESPONSE_LABELS
        if strange or (len(known) >= MOST_NODES and label not in known):
            raise ValueError("no such label")


def _compute_quantiles(histogram: Histogram) -> ResponseQuantiles:
    p50_s, p95_s, p99_s = (_cut_digits(histogram.find_quantile(share)) for share in _QUANTILES)
    return {"p50_s": p50_s, "p95_s": p95_s, "p99_s": p99_s}


def _cut_digits(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)
