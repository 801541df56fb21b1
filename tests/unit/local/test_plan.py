"""Every situation that `make up` can find, as one row: what it then does, or why it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from serve_app.cluster.ray_http import RayFound
from serve_app.deploy.failure import Failure
from serve_app.local.plan import CLEARING, OWN_HEAD, Action, Observed, Plan, plan
from serve_app.local.state import UpState
from serve_app.local.wanted import Wanted

WANTED = Wanted(
    http_port=8000, dashboard_port=8265, ray_port=6379, home=Path("/h"), config=Path("/h/c.yaml"), up_timeout_s=180.0
)
OURS = UpState(
    started_at="2026-01-01T00:00:00+00:00",
    http_port=8000,
    dashboard_port=8265,
    ray_port=6379,
    temp_dir="/t/sc-1",
    config_sha256="same",
    prints={"the code": "1"},
)
THEIRS = OURS.model_copy(update={"temp_dir": None})
RAY = RayFound("2.60.0", "session_1")
NOTHING = Observed(
    state=None,
    head_alive=False,
    ray=None,
    serve_port=None,
    app_status=None,
    taken={},
    config_sha256="same",
    prints={"the code": "1"},
    available_bytes=8 * 2**30,
    own_ray_version="2.60.0",
)
OUR_HEAD = replace(
    NOTHING,
    state=OURS,
    head_alive=True,
    ray=RAY,
    serve_port=8000,
    app_status="RUNNING",
    taken={8000: "haproxy (pid 1)"},
)
FOUND_HEAD = replace(NOTHING, ray=RAY)
START = (Action.START_HEAD, Action.DEPLOY, Action.WAIT)
ROLL_OUT = (Action.DEPLOY, Action.WAIT)
USING = "using the Ray head that runs at http://127.0.0.1:8265; `make down` will leave it running"


@pytest.mark.parametrize(
    ("observed", "expected"),
    [
        pytest.param(NOTHING, Plan(START), id="nothing runs"),
        pytest.param(OUR_HEAD, Plan((Action.WAIT,), ("already running, nothing changed",)), id="ours, same config"),
        pytest.param(
            replace(OUR_HEAD, config_sha256="other"),
            Plan(ROLL_OUT, ("the configuration changed: deploying it",)),
            id="ours, changed config",
        ),
        pytest.param(
            replace(OUR_HEAD, state=OURS.model_copy(update={"config_sha256": ""}), app_status=None),
            Plan(ROLL_OUT, ("the last run ended before it had deployed: deploying now",)),
            id="ours, interrupted before it deployed",
        ),
        pytest.param(
            replace(OUR_HEAD, prints={"the code": "2"}),
            Plan(
                (Action.WAIT,),
                (
                    "already running, nothing changed",
                    "changed since the head was started: the code; `make down` and `make up` bring that into effect",
                ),
            ),
            id="ours, changed code of a configuration that carries no version",
        ),
        pytest.param(
            replace(OUR_HEAD, config_sha256="other", prints={"the code": "2", "deploy/serve.env": "2"}),
            Plan(
                ROLL_OUT,
                (
                    "the code changed: replacing every replica",
                    "changed since the head was started: deploy/serve.env; `make down` and `make up` bring that into "
                    "effect",
                ),
            ),
            id="ours, changed code, whose version is in what is deployed",
        ),
        pytest.param(
            replace(OUR_HEAD, app_status="DEPLOYING"),
            Plan((Action.WAIT,), ("already deployed, and DEPLOYING: waiting for it",)),
            id="ours, still deploying",
        ),
        pytest.param(
            replace(OUR_HEAD, app_status="DEPLOY_FAILED"),
            Plan(ROLL_OUT, ("the application is DEPLOY_FAILED: deploying it",)),
            id="ours, failed before",
        ),
        pytest.param(
            replace(OUR_HEAD, app_status=None),
            Plan(ROLL_OUT, ("the application is gone: deploying it",)),
            id="ours, somebody shut Serve down",
        ),
        pytest.param(replace(NOTHING, state=OURS), CLEARING, id="state file of a head that is gone"),
        pytest.param(
            replace(NOTHING, state=OURS, taken={8265: "python (pid 3)"}, available_bytes=0),
            CLEARING,
            id="what is left of our head comes first",
        ),
        pytest.param(replace(NOTHING, state=THEIRS), Plan(START), id="the head that we used is gone"),
        pytest.param(FOUND_HEAD, Plan(ROLL_OUT, (USING,)), id="a Ray without Serve"),
        pytest.param(
            replace(FOUND_HEAD, serve_port=9000, taken={8000: "nginx (pid 5)"}),
            Plan(ROLL_OUT, (USING, "Serve listens there on port 9000 already, so SEEDCORE_HTTP_PORT has no effect")),
            id="a Ray with Serve on another port",
        ),
        pytest.param(replace(FOUND_HEAD, state=OURS), CLEARING, id="our head is gone and another took its port"),
        pytest.param(
            replace(FOUND_HEAD, state=THEIRS), Plan(ROLL_OUT, (USING,)), id="a Ray from which our application is gone"
        ),
        pytest.param(
            replace(FOUND_HEAD, state=THEIRS, serve_port=8000, app_status="RUNNING", taken={8000: "haproxy (pid 1)"}),
            Plan((Action.WAIT,), ("already running, nothing changed",)),
            id="a Ray that we deployed into before",
        ),
        pytest.param(
            replace(FOUND_HEAD, state=THEIRS, serve_port=8000, app_status="RUNNING", config_sha256="other"),
            Plan(ROLL_OUT, ("the configuration changed: deploying it",)),
            id="a Ray that we deployed into before, changed config",
        ),
    ],
)
def test_plan(observed: Observed, expected: Plan) -> None:
    assert plan(WANTED, observed) == expected


@pytest.mark.parametrize(
    ("wanted", "observed", "cause", "next_step"),
    [
        pytest.param(
            WANTED,
            replace(NOTHING, taken={8000: "nginx (pid 5)"}),
            "Port 8000 is taken by nginx (pid 5).",
            "End that process, or set SEEDCORE_HTTP_PORT to a free port: `SEEDCORE_HTTP_PORT=9000 make up`.",
            id="another process on the HTTP port",
        ),
        pytest.param(
            WANTED,
            replace(NOTHING, taken={6379: "redis-server (pid 7)"}),
            "Port 6379 is taken by redis-server (pid 7).",
            "End that process, or set SEEDCORE_RAY_PORT to a free port: `SEEDCORE_RAY_PORT=7379 make up`.",
            id="another process on the Ray port",
        ),
        pytest.param(
            WANTED,
            replace(FOUND_HEAD, taken={8000: "nginx (pid 5)"}),
            "Port 8000 is taken by nginx (pid 5).",
            "End that process, or set SEEDCORE_HTTP_PORT to a free port: `SEEDCORE_HTTP_PORT=9000 make up`.",
            id="a Ray without Serve, and the HTTP port taken",
        ),
        pytest.param(
            WANTED,
            replace(NOTHING, available_bytes=2**30),
            "Not enough memory: 1.0 GiB can be had, 2.5 GiB are needed for a Ray head and the application.",
            "End something that uses memory, or give the container more.",
            id="too little memory",
        ),
        pytest.param(
            WANTED,
            replace(FOUND_HEAD, ray=RayFound("2.9.1", "s")),
            "The Ray head at http://127.0.0.1:8265 is a Ray 2.9.1; this project has Ray 2.60.0.",
            OWN_HEAD,
            id="a Ray of another version",
        ),
        pytest.param(
            WANTED,
            replace(FOUND_HEAD, serve_port=8000, app_status="RUNNING"),
            "The Ray head at http://127.0.0.1:8265 runs an application 'seedcore' that was not deployed from here.",
            f"End it where it was deployed. Otherwise: {OWN_HEAD}",
            id="another copy's head",
        ),
        pytest.param(
            replace(WANTED, http_port=8001),
            replace(OUR_HEAD, taken={}),
            "From /h a copy runs already, with SEEDCORE_HTTP_PORT=8000.",
            "Run `make down` first to move it, or set SEEDCORE_HOME to another directory for a second copy.",
            id="ours, but other ports are asked for",
        ),
        pytest.param(
            WANTED,
            replace(OUR_HEAD, ray=None),
            "The Ray head runs, but its dashboard at http://127.0.0.1:8265 does not answer.",
            "Wait some seconds and try again, or run `make down` and `make up`.",
            id="ours, without its dashboard",
        ),
    ],
)
def test_refusals(wanted: Wanted, observed: Observed, cause: str, next_step: str) -> None:
    with pytest.raises(Failure) as refused:
        plan(wanted, observed)
    assert (refused.value.cause, refused.value.next_step) == (cause, next_step)
