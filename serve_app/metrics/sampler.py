"""The inspector's measuring beside its looks: ask for the use of nodes, keep figures over time, tell Prometheus.

On a period of its own, so that Prometheus learns that looks have become old when Ray does not answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Protocol

from serve_app.background import Loop, Workers
from serve_app.errors import AppError
from serve_app.metrics.figures import MetricFigures
from serve_app.metrics.persistence import Keeper
from serve_app.queries.windows import SHORTEST_WINDOW
from serve_app.schemas.alerts import MeasuredAlertInputs, ResponseTimes
from serve_app.schemas.cluster import MeasuredNodeView, NodePage, NodeUseNow, PlainNodePage
from serve_app.schemas.summary import MeasuredView, NodeUtilisation

# Ray's agents measure as often.
PERIOD_S = 5.0

Json = dict[str, Any]


class Samples(Protocol):
    """The store, as far as figures over time are kept in it; raises an ``AppError`` within a deadline."""

    async def load_samples(self, since_s: int, after: Sequence[Any] | None = None) -> Json: ...

    async def save_samples(self, rows: Sequence[Json]) -> None: ...


class Sampler:
    """Owns the ``MetricFigures``. ``samples`` None: a restart begins with empty windows."""

    def __init__(
        self,
        node_use: Callable[[], Awaitable[Any]],
        observe: Callable[[], Awaitable[Json]],
        samples: Samples | None,
        now: Callable[[], datetime],
        *,
        publish: Callable[[Mapping[str, Any]], None],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """``observe`` gives what ``Exposition.list_readings`` knows of jobs and looks."""
        self.figures = MetricFigures()
        self._node_use = node_use
        self._observe = observe
        self._now = now
        self._publish = publish
        self._pause = pause
        self._keeper = None
        if samples is not None:
            self._keeper = Keeper(self.figures, samples.load_samples, samples.save_samples, now, pause=pause)
        # Ray forgets a gauge that it is not told for 20 s: who asks the nodes, and may wait long, tells nothing.
        self._loops = Workers(
            Loop("measuring", partial(self._run, self.ask_nodes)),
            Loop("telling figures", partial(self._run, self.tell)),
        )

    def start(self) -> None:
        """Begin; does nothing when begun."""
        self._loops.start()
        if self._keeper is not None:
            self._keeper.start()

    def require_alive(self) -> None:
        """Raise when a loop has ended, which none ever should."""
        self._loops.require_alive()
        if self._keeper is not None:
            self._keeper.require_alive()

    async def close(self) -> None:
        """Stop, and save what is left."""
        await self._loops.close()
        if self._keeper is not None:
            await self._keeper.close()

    async def measure(self) -> None:
        """Ask once, and tell Prometheus."""
        await self.ask_nodes()
        await self.tell()

    async def ask_nodes(self) -> None:
        """Ask once how used the nodes are."""
        try:
            rows = await self._node_use()
        except AppError as error:
            self.figures.note_nodes_failed(error.detail)
        else:
            self.figures.observe_nodes(rows, self._now())

    async def tell(self) -> None:
        """Tell Prometheus what is known now."""
        observed = await self._observe()
        now = self._now()
        self._publish(
            {
                **observed,
                "nodes": self.figures.compute_node_ratios(now),
                "responses": self.figures.compute_responses_by_group(SHORTEST_WINDOW, now),
                "response_totals": self.figures.count_responses(),
            }
        )

    def take_responses(self, delta: Mapping[str, Any]) -> dict[str, bool]:
        """An ingress replica's delta; see ``MetricFigures.record_responses``."""
        return {"counted": self.figures.record_responses(delta, self._now())}

    def summarize(self, window: str) -> MeasuredView:
        """``utilisation`` and ``responses`` of the summary; raises ``InvalidInput``."""
        now = self._now()
        return {
            "utilisation": self.figures.compute_utilisation(window, now),
            "responses": self.figures.compute_responses(window, now),
        }

    def add_use(self, nodes: PlainNodePage) -> NodePage:
        """A list of nodes with what each really uses now, beside the resources that Ray counts; None is not known."""
        shown = {
            node["node_id"]: node for node in self.figures.compute_utilisation(SHORTEST_WINDOW, self._now())["nodes"]
        }
        items: list[MeasuredNodeView] = [
            {**node, "utilisation": _read_present(shown.get(node["node_id"]))} for node in nodes["items"]
        ]
        return {**nodes, "items": items}

    def collect_alert_inputs(self) -> MeasuredAlertInputs:
        """``nodes`` and ``responses`` of what alerts are judged by."""
        now = self._now()
        responses = self.figures.compute_responses(SHORTEST_WINDOW, now)
        told: ResponseTimes = {"count": responses["count"], "p95_s": responses["p95_s"]}
        return {"nodes": self.figures.compute_node_ratios(now), "responses": {SHORTEST_WINDOW: told}}

    async def _run(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await work()
            await self._pause(PERIOD_S)


def _read_present(node: NodeUtilisation | None) -> NodeUseNow | None:
    if node is None:
        return None
    present: NodeUseNow = {
        "cpu_ratio": node["cpu_ratio"]["now"],
        "memory_ratio": node["memory_ratio"]["now"],
        "disk_ratio": node["disk_ratio"]["now"],
        "network_receive_bytes_per_s": node["network_receive_bytes_per_s"]["now"],
        "network_send_bytes_per_s": node["network_send_bytes_per_s"]["now"],
    }
    if node["gpu_ratio"] is not None:
        present["gpu_ratio"] = node["gpu_ratio"]["now"]
    return present
