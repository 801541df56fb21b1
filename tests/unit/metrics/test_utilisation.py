"""Ray's summary of nodes, as recorded and as broken as it may come."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.metrics.utilisation import GAUGES, Freshness, NodeUse, combine_nodes, parse_nodes
from tests.unit.jobs.recordings import DIRECTORY, answer

ROWS: list[Any] = answer("node_use", DIRECTORY / "fresh-head")["data"]["summary"]
EARLY = "Ray's agent knows no speed of the network until it has run for some 35 s."
UNREAD = "Ray's agent did not say it in a form that is known here."
SILENT = "Ray's agent on this node has not reported."


def row(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(ROWS[0]), "networkSpeed": [10.5, 20.25], **changes}


def one(**changes: Any) -> NodeUse:
    (node,) = parse_nodes([row(**changes)])
    return node


def test_as_recorded() -> None:
    (node,) = parse_nodes(ROWS)
    assert (len(node.node_id), node.ip, node.is_head, node.cpus) == (56, "192.0.2.1", True, 2)
    assert node.values == {
        "cpu_ratio": 0.031,
        "memory_ratio": 650457088 / 25276514304,
        "disk_ratio": 26415353856 / (26415353856 + 82528940032),
        "gpu_ratio": None,
        # In its first seven reports the agent divides by the seconds since 1970.
        "network_receive_bytes_per_s": None,
        "network_send_bytes_per_s": None,
    }
    assert node.missing == {
        "gpu_ratio": "It has no GPU.",
        "network_receive_bytes_per_s": EARLY,
        "network_send_bytes_per_s": EARLY,
    }


@pytest.mark.parametrize(
    ("changes", "name", "value"),
    [
        ({}, "network_send_bytes_per_s", 10.5),
        ({}, "network_receive_bytes_per_s", 20.25),
        ({"networkSpeed": [0.0, 0.0]}, "network_send_bytes_per_s", 0.0),
        ({"networkSpeed": [0.0, 0.0], "network": [0, 0]}, "network_send_bytes_per_s", 0.0),
        ({"networkSpeed": [-5.0, 1.0]}, "network_send_bytes_per_s", None),
        ({"networkSpeed": [1.0]}, "network_receive_bytes_per_s", None),
        ({"cpu": 250}, "cpu_ratio", 1.0),
        ({"cpu": 0}, "cpu_ratio", 0.0),
        ({"cpu": -1}, "cpu_ratio", None),
        ({"cpu": math.nan}, "cpu_ratio", None),
        ({"cpu": "12"}, "cpu_ratio", None),
        ({"cpu": True}, "cpu_ratio", None),
        ({"cpu": 10**400}, "cpu_ratio", None),
        ({"mem": [0, 0, 0, 0]}, "memory_ratio", None),
        ({"mem": [100, 50, 50.0]}, "memory_ratio", None),
        ({"mem": {"total": 1}}, "memory_ratio", None),
        ({"gpus": [{"utilizationGpu": 50}, {"utilizationGpu": None}, {"utilizationGpu": 100}]}, "gpu_ratio", 0.75),
        ({"gpus": [{}, None]}, "gpu_ratio", None),
        ({"disk": {"/": {"total": 1, "used": 0, "free": 1, "percent": 0.0}}}, "disk_ratio", None),
        (
            {"disk": {"/": {"total": 10, "used": 1, "free": 9}, "/tmp": {"total": 10, "used": 8, "free": 2}}},
            "disk_ratio",
            0.8,
        ),
        ({"disk": {"/": "full"}}, "disk_ratio", None),
        ({"newKey": {"x": 1}}, "cpu_ratio", 0.031),
    ],
)
def test_one_figure(changes: dict[str, Any], name: str, value: float | None) -> None:
    node = one(**changes)
    assert node.values[name] == value
    assert (name in node.missing) == (value is None)


def test_every_missing_figure_has_its_reason() -> None:
    assert one(cpu=None, mem=None).missing == {
        "cpu_ratio": UNREAD,
        "memory_ratio": UNREAD,
        "gpu_ratio": "It has no GPU.",
    }
    assert one(gpus=[{}]).missing == {"gpu_ratio": "Ray does not measure the use of its GPUs."}
    (silent,) = parse_nodes([{"raylet": ROWS[0]["raylet"], "tpus": []}])
    assert (silent.ip, silent.missing) == ("192.0.2.1", dict.fromkeys(GAUGES, SILENT))


def test_dead_nodes_and_rows_that_are_none_are_left_out() -> None:
    head = ROWS[0]["raylet"]
    rows = [
        None,
        "node",
        {},
        {"raylet": {"nodeId": 7, "state": "ALIVE"}},
        row(raylet={**head, "state": "DEAD"}),
        row(raylet={**head, "nodeId": "b", "isHeadNode": False}),
        row(raylet={**head, "nodeId": "a", "isHeadNode": "yes"}),
        row(),
    ]
    assert [(node.node_id[:1], node.is_head) for node in parse_nodes(rows)] == [("7", True), ("a", False), ("b", False)]
    assert parse_nodes({"a": 1}) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text("ab1", max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab1", max_size=5), inner, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*ROWS[0], "strange"]), JSON))
def test_nothing_that_ray_says_raises(changes: dict[str, Any]) -> None:
    for node in parse_nodes([row(**changes), row(**{**changes, "raylet": ROWS[0]["raylet"]})]):
        assert set(node.values) == set(GAUGES)
        assert {name for name, value in node.values.items() if value is None} == set(node.missing)
        assert all(math.isfinite(value) and value >= 0 for value in node.values.values() if value is not None)


def test_the_cluster_is_weighed() -> None:
    nodes = [one(cpu=100, cpus=[6, 6], mem=[100, 0, 0, 100]), one(cpu=0, cpus=[2, 2], mem=[300, 0, 0, 0])]
    assert combine_nodes(nodes) == {"cpu_ratio": 0.75, "memory_ratio": 0.25}
    assert combine_nodes([*nodes, one(cpu=None, mem=[])]) == {"cpu_ratio": 0.75, "memory_ratio": 0.25}
    assert combine_nodes([]) == {"cpu_ratio": None, "memory_ratio": None}


def test_a_node_that_says_nothing_new_is_not_measured() -> None:
    freshness = Freshness()

    def cpu(measured_at: float | None, now_s: float) -> Any:
        (node,) = freshness.check([one(now=measured_at)], now_s)
        return node.values["cpu_ratio"], node.missing.get("cpu_ratio")

    assert cpu(1.0, 1000) == (0.031, None)
    assert cpu(1.0, 1060) == (0.031, None)
    assert cpu(1.0, 1061) == (None, "This node has not reported for 61 s.")
    assert cpu(2.0, 1062) == (0.031, None)
    assert freshness.check([], 1063) == []
    assert cpu(2.0, 2000) == (0.031, None)
