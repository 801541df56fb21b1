"""The inspector's measuring beside its looks: ask for the use of nodes, keep figures over time, tell Prometheus.

On a period of its own, so that Prometheus learns that looks have become old when Ray does not answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

from serve_app.background import Loop
from serve_app.errors import AppError
from serve_app.metrics.figures import Meters
from serve_app.metrics.persistence import Keeper

# Ray's agents measure as often.
PERIOD_S = 5.0
_SHOWN_WINDOW = "5m"

Json = dict[str, Any]


class Samples(Protocol):
    """The store, as far as figures over time are kept in it; raises an ``AppError`` within a deadline."""

    async def load_samples(self, since_s: int, after: list[Any] | None) -> Json: ...

    async def save_samples(self, rows: list[Json]) -> None: ...


class Measuring:
    """Owns the ``Meters``. ``samples`` None: a restart begins with empty windows."""

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
        """``observe`` gives what ``Exposition.readings`` knows of jobs and looks."""
        self.meters = Meters()
        self._node_use = node_use
        self._observe = observe
        self._now = now
        self._publish = publish
        self._pause = pause
        self._keeper = None
        if samples is not None:
            self._keeper = Keeper(self.meters, samples.load_samples, samples.save_samples, now, pause=pause)
        self._loop = Loop("measuring", self._run)

    def start(self) -> None:
        """Begin; does nothing when begun."""
        self._loop.start()
        if self._keeper is not None:
            self._keeper.start()

    def require_alive(self) -> None:
        """Raise when a loop has ended, which none ever should."""
        self._loop.require_alive()
        if self._keeper is not None:
            self._keeper.require_alive()

    async def close(self) -> None:
        """Stop, and save what is left."""
        await self._loop.close()
        if self._keeper is not None:
            await self._keeper.close()

    async def measure(self) -> None:
        """Ask once, and tell Prometheus."""
        observed = await self._observe()
        try:
            rows = await self._node_use()
        except AppError as error:
            self.meters.nodes_failed(error.detail)
        else:
            self.meters.observe_nodes(rows, self._now())
        now = self._now()
        self._publish(
            {
                **observed,
                "nodes": self.meters.node_ratios(now),
                "responses": self.meters.responses_by_group(_SHOWN_WINDOW, now),
                "response_totals": self.meters.response_totals(),
            }
        )

    def take_responses(self, delta: Mapping[str, Any]) -> Json:
        """An ingress replica's delta; see ``Meters.record_responses``."""
        return {"counted": self.meters.record_responses(delta, self._now())}

    def summary(self, window: str) -> Json:
        """``utilisation`` and ``responses`` of the summary; raises ``InvalidInput``."""
        now = self._now()
        return {"utilisation": self.meters.utilisation(window, now), "responses": self.meters.responses(window, now)}

    def with_use(self, nodes: Json) -> Json:
        """A list of nodes with what each really uses now, beside the resources that Ray counts; None is not known."""
        shown = {node["node_id"]: node for node in self.meters.utilisation(_SHOWN_WINDOW, self._now())["nodes"]}
        items = [{**node, "utilisation": _now_of(shown.get(node["node_id"]))} for node in nodes["items"]]
        return {**nodes, "items": items}

    def alert_inputs(self) -> Json:
        """``nodes`` and ``responses`` of what alerts are judged by."""
        now = self._now()
        responses = self.meters.responses(_SHOWN_WINDOW, now)
        told = {name: responses[name] for name in ("count", "p95_s")}
        return {"nodes": self.meters.node_ratios(now), "responses": {_SHOWN_WINDOW: told}}

    async def _run(self) -> None:
        while True:
            await self.measure()
            await self._pause(PERIOD_S)


def _now_of(node: Json | None) -> Json | None:
    if node is None:
        return None
    return {name: spread["now"] for name, spread in node.items() if isinstance(spread, dict)}
