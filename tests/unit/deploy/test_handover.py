"""A deployment that cannot be placed ends the wait with what it needs and what there is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from serve_app.cluster import ray_http
from serve_app.deploy import handover
from serve_app.deploy.failure import Failure
from serve_app.deploy.handover import Handover

URL, APP, ORGAN = "http://127.0.0.1:1", "seedcore", "utility_organ_2"
NEEDS = "utility_organ_2 needs 64 CPU for each replica; the most that a node has is 2"
NODES = [{"node_id": "n", "state": "ALIVE", "resources_total": {"CPU": 2.0}}]
COMING = {"data": {"clusterStatus": {"autoscalerReport": {"pendingLaunches": {"big": 1}}}}}


class World:
    """What Serve and the nodes are said to be, and a clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, deployed_at_s: float = 0.0) -> None:
        self.now_s = 0.0
        self.needs = 64
        self.autoscaler: dict[str, Any] = {}
        app = {"last_deployed_time_s": deployed_at_s} if deployed_at_s else {}
        self.handover = Handover(URL, APP, {"applications": {APP: app}})
        self.handover.expect_newer({"applications": {APP: app}})
        monkeypatch.setattr(handover, "time", SimpleNamespace(monotonic=lambda: self.now_s, sleep=None))
        monkeypatch.setattr(ray_http, "fetch_serve_details", lambda url: self.describe())
        monkeypatch.setattr(ray_http, "fetch_placement", lambda url: (NODES, self.autoscaler))

    def describe(self) -> dict[str, Any]:
        organ = {
            "status": "UPDATING",
            "target_num_replicas": 1,
            "replicas": [{"state": "STARTING"}],
            "required_resources": {"CPU": self.needs},
        }
        app = {"status": "DEPLOYING", "last_deployed_time_s": 99.0, "deployments": {ORGAN: organ}}
        return {"applications": {APP: app}}

    def look(self, at_s: float) -> str | None:
        """What is missing then, as a sentence, or why it was given up."""
        self.now_s = at_s
        assert self.handover.look().verdict == "waiting"
        try:
            short = self.handover.look_for_shortage()
        except Failure as failure:
            return f"given up: {failure.cause}"
        return None if short is None else short.sentence


# Where it was deployed before, what is seen may be what is being replaced.
@pytest.mark.parametrize(("deployed_at_s", "patience_s"), [(0.0, 3.0), (5.0, 15.0)])
def test_what_no_node_can_hold_ends_the_wait(
    monkeypatch: pytest.MonkeyPatch, deployed_at_s: float, patience_s: float
) -> None:
    world = World(monkeypatch, deployed_at_s)
    assert world.look(100) == f"{NEEDS}."
    assert world.look(100 + patience_s - 0.1) == f"{NEEDS}."
    assert world.look(100 + patience_s) == f"given up: This cannot run here: {NEEDS}."


def test_it_is_waited_for_nodes_that_come_and_for_what_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    world.look(100)
    world.autoscaler = COMING
    assert world.look(104) == f"{NEEDS}; the autoscaler is starting nodes (1 big)."
    world.autoscaler = {}
    assert world.look(200) == f"{NEEDS}."
    world.needs = 1
    assert world.look(204) is None
