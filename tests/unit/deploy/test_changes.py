"""What a deployment would change, before it is made."""

from __future__ import annotations

from typing import Any

import pytest

from serve_app.deploy.changes import Changes, compare
from serve_app.deploy.merging import merge

OURS: dict[str, Any] = {"name": "seedcore", "import_path": "serve_app.main:build", "args": {"organs": [{"id": "a"}]}}
HELLO: dict[str, Any] = {"name": "hello", "import_path": "hello:app", "route_prefix": "/hello"}
HIDDEN = "a value that is not shown"


def account(*declared: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "controller_info": {"actor_id": "ab"},
        "proxy_location": "EveryNode",
        "http_options": {"host": "0.0.0.0", "port": 8000, "request_timeout_s": None},
        "grpc_options": {"port": 9000},
        "applications": {
            **{app["name"]: {"source": "declarative", "deployed_app_config": app} for app in declared},
            **more,
        },
    }


@pytest.mark.parametrize(
    ("sent", "details", "expected"),
    [
        ([OURS], {"controller_info": {}, "applications": {}}, Changes(added=("seedcore",))),
        ([OURS, HELLO], account(HELLO), Changes(added=("seedcore",), kept=("hello",))),
        ([OURS], account(OURS, HELLO), Changes(deleted=("hello",), kept=("seedcore",))),
        ([OURS], account(OURS, by_hand={"source": "imperative"}), Changes(kept=("by_hand", "seedcore"))),
        # The same in other words: Serve leaves out what was not set, and keeps what was.
        ([{**OURS, "deployments": []}], account({**OURS, "deployments": []}), Changes(kept=("seedcore",))),
        (
            [{**OURS, "args": {"organs": [{"id": "b"}, {"id": "a"}]}}],
            account(OURS),
            Changes(changed=(("seedcore", ("args.organs.b: nothing -> a dict of 1",)),)),
        ),
        (
            [{**OURS, "deployments": [{"name": "a", "num_replicas": 2}]}],
            account({**OURS, "deployments": [{"name": "a", "num_replicas": 1}]}),
            Changes(changed=(("seedcore", ("deployments.a.num_replicas: 1 -> 2",)),)),
        ),
        (
            [{**OURS, "args": {"organs": [{"id": "a"}], "password": "hunter2-hunter2"}}],
            account(OURS),
            Changes(changed=(("seedcore", ("args.password: nothing -> a value that is not shown",)),)),
        ),
        (
            [{**OURS, "runtime_env": {"env_vars": {"REGION": "b"}}}],
            account({**OURS, "runtime_env": {"env_vars": {"REGION": "a"}}}),
            Changes(
                changed=(
                    (
                        "seedcore",
                        (f"runtime_env.env_vars.REGION: {HIDDEN} -> {HIDDEN}",),
                    ),
                )
            ),
        ),
        (
            [OURS],
            account(seedcore={"source": "declarative", "status": "DEPLOY_FAILED", "deployed_app_config": OURS}),
            Changes(changed=(("seedcore", ("it is DEPLOY_FAILED, and would be deployed anew",)),)),
        ),
        # What became of the neighbour's is for the neighbour.
        (
            [OURS, HELLO],
            account(OURS, hello={"source": "declarative", "status": "DEPLOY_FAILED", "deployed_app_config": HELLO}),
            Changes(kept=("hello", "seedcore")),
        ),
        (
            [OURS],
            account(seedcore={"source": "imperative"}),
            Changes(
                changed=(
                    (
                        "seedcore",
                        (
                            "name: nothing -> 'seedcore'",
                            "import_path: nothing -> 'serve_app.main:build'",
                            "args: nothing -> a dict of 1",
                            "it was deployed by `serve.run`, and would be taken over",
                        ),
                    ),
                )
            ),
        ),
    ],
)
def test_what_would_be_done(sent: list[dict[str, Any]], details: dict[str, Any], expected: Changes) -> None:
    assert compare({"applications": sent}, details, {"applications": sent[:1]}) == expected


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, ()),
        ({"proxy_location": "EveryNode", "http_options": {"host": "0.0.0.0", "port": 8000}}, ()),
        (
            {"proxy_location": "HeadOnly", "http_options": {"host": "127.0.0.1", "request_timeout_s": 310, "new": 1}},
            (
                "Serve runs here already with proxy_location EveryNode; proxy_location of the file, 'HeadOnly', "
                "has no effect",
                "Serve runs here already with host 0.0.0.0; http_options.host of the file, '127.0.0.1', has no effect",
                "Serve runs here already with request_timeout_s None; http_options.request_timeout_s of the file, 310, "
                "has no effect",
            ),
        ),
        ({"grpc_options": {"port": 1}}, ("Serve runs here already with port 9000; grpc_options.port of the file, 1, "
                                         "has no effect",)),
    ],
)  # fmt: skip
def test_what_has_no_effect_is_named(asked: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert compare({"applications": [OURS]}, account(OURS), asked).ignored == expected
    assert compare({"applications": [OURS]}, {"controller_info": {}, "applications": {}}, asked).ignored == ()


def test_it_is_told_in_lines() -> None:
    changes = Changes(("a",), (("b", ("x: 1 -> 2",)),), ("c",), ("d",), ("e",))
    assert changes.render() == [
        "  add     a",
        "  change  b",
        "            x: 1 -> 2",
        "  delete  c",
        "  keep    d",
        "  note    e",
    ]


@pytest.mark.parametrize(
    ("config", "details", "expected"),
    [
        (
            {"logging_config": {"encoding": "JSON"}, "tracing_config": {"enabled": True}, "applications": [OURS]},
            account(OURS),
            {
                "logging_config": {"encoding": "JSON"},
                "tracing_config": {"enabled": True},
                "applications": [{"logging_config": {"encoding": "JSON"}, **OURS}],
            },
        ),
        # Beside others nothing is sent that would reach into their replicas.
        (
            {"logging_config": {"encoding": "JSON"}, "tracing_config": {"enabled": True}, "applications": [OURS]},
            account(HELLO),
            {"applications": [{"logging_config": {"encoding": "JSON"}, **OURS}, HELLO]},
        ),
        (
            {"applications": [OURS]},
            {**account(HELLO), "target_capacity": 50.0},
            {"target_capacity": 50.0, "applications": [OURS, HELLO]},
        ),
        (
            {"applications": [OURS], "target_capacity": 100.0},
            {**account(OURS), "target_capacity": 50.0},
            {"applications": [OURS], "target_capacity": 100.0},
        ),
    ],
)
def test_others_stay_as_they_are(config: dict[str, Any], details: dict[str, Any], expected: dict[str, Any]) -> None:
    assert merge(config, details) == expected
