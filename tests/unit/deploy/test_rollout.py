"""Reading Serve's account of a deployment that is under way."""

from __future__ import annotations

from typing import Any

import pytest

from serve_app.deploy.rollout import (
    RolloutStatus,
    condense,
    describe_ready,
    find_shortage,
    lacks_any_replica,
    read,
)
from serve_app.jobs.judging.pending import Shortage


def _app(status: str, deployed_s: float = 10.0, message: str = "", **deployments: Any) -> dict[str, Any]:
    return {
        "applications": {
            "seedcore": {
                "status": status,
                "message": message,
                "last_deployed_time_s": deployed_s,
                "deployments": deployments,
            }
        }
    }


def _deployment(status: str, wanted: int, *states: str, message: str = "") -> dict[str, Any]:
    replicas = [{"state": state} for state in states]
    return {"status": status, "target_num_replicas": wanted, "message": message, "replicas": replicas}


HEALTHY = _deployment("HEALTHY", 1, "RUNNING")
STARTING = _deployment("UPDATING", 2, "RUNNING", "STARTING")
WAITING = "waiting for Serve to take the configuration"


@pytest.mark.parametrize(
    ("details", "deployed_after_s", "unhealthy_s", "expected"),
    [
        pytest.param({}, 0.0, 0.0, RolloutStatus("waiting", "NOT_STARTED", WAITING, ""), id="no account"),
        pytest.param(
            _app("RUNNING", a=HEALTHY),
            10.0,
            0.0,
            RolloutStatus("waiting", "RUNNING", WAITING, ""),
            id="still the old one",
        ),
        pytest.param(
            _app("DEPLOYING"),
            0.0,
            0.0,
            RolloutStatus("waiting", "DEPLOYING", "building the application", ""),
            id="building",
        ),
        pytest.param(
            _app("DEPLOYING", a=HEALTHY, b=STARTING),
            9.0,
            0.0,
            RolloutStatus("waiting", "DEPLOYING", "replicas 2 of 3; starting b 1 of 2", ""),
            id="one replica missing",
        ),
        pytest.param(
            _app("DEPLOYING", **{name: _deployment("UPDATING", 1) for name in "abcde"}),
            0.0,
            0.0,
            RolloutStatus(
                "waiting", "DEPLOYING", "replicas 0 of 5; starting a 0 of 1, b 0 of 1, c 0 of 1 and 2 more", ""
            ),
            id="a short list of what is missing",
        ),
        pytest.param(
            _app("RUNNING", a=HEALTHY),
            9.0,
            0.0,
            RolloutStatus("running", "RUNNING", "replicas 1 of 1", ""),
            id="running",
        ),
        pytest.param(
            _app("DEPLOY_FAILED", message="boom", a=_deployment("DEPLOY_FAILED", 1, message="no module x"), b=HEALTHY),
            0.0,
            0.0,
            RolloutStatus(
                "failed",
                "DEPLOY_FAILED",
                "replicas 1 of 2; starting a 0 of 1",
                "boom\na: DEPLOY_FAILED: no module x",
            ),
            id="failed, with Serve's words",
        ),
        pytest.param(
            _app("UNHEALTHY", a=_deployment("UNHEALTHY", 1)),
            0.0,
            5.0,
            RolloutStatus("waiting", "UNHEALTHY", "replicas 0 of 1; starting a 0 of 1", "a: UNHEALTHY: no message"),
            id="unhealthy for a moment",
        ),
        pytest.param(
            _app("UNHEALTHY", a=_deployment("UNHEALTHY", 1)),
            0.0,
            20.0,
            RolloutStatus("failed", "UNHEALTHY", "replicas 0 of 1; starting a 0 of 1", "a: UNHEALTHY: no message"),
            id="unhealthy for good",
        ),
    ],
)
def test_read(details: dict[str, Any], deployed_after_s: float, unhealthy_s: float, expected: RolloutStatus) -> None:
    assert read(details, "seedcore", deployed_after_s, unhealthy_s) == expected


def test_condensed_keeps_the_exception() -> None:
    message = (
        'It failed 3 times.\n\x1b[36mray::Replica.init()\x1b[39m (pid=1)\n  File "x.py", line 3\n    raise\n'
        'RuntimeError: Traceback (most recent call last):\n  File "y.py"\nValueError: organ refuses\n\n'
    )
    assert condense(message) == "It failed 3 times.\nValueError: organ refuses"


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (0, {}, "waiting for the API to answer"),
        (200, {"status": "ready"}, "ready"),
        (503, {"status": "not_ready", "reasons": ["a", "b", "c"]}, "not_ready: a; b"),
        (500, {}, "HTTP 500"),
    ],
)
def test_ready_text(status: int, body: dict[str, Any], expected: str) -> None:
    assert describe_ready(status, body) == expected


def test_what_no_node_can_hold_is_found_as_soon_as_it_is_wanted() -> None:
    stuck = {**_deployment("UPDATING", 1, "STARTING"), "required_resources": {"CPU": 64}}
    details = _app("DEPLOYING", a=HEALTHY, b=stuck)
    nodes = [{"node_id": "n", "state": "ALIVE", "resources_total": {"CPU": 2.0}}]
    needs = Shortage("b needs 64 CPU for each replica; the most that a node has is 2.", hopeless=True)
    assert lacks_any_replica(details, "seedcore")
    assert find_shortage(details, "seedcore", nodes, {}) == needs
    # Another's trouble is not ours; and where Ray tells no nodes, nothing is known.
    assert find_shortage(details, "shop", nodes, {}) is None
    assert find_shortage(details, "seedcore", [], {}) is None
    assert not lacks_any_replica(details, "shop")
    assert not lacks_any_replica(_app("RUNNING", a=HEALTHY), "seedcore")
