"""The settings of `make up`."""

from __future__ import annotations

from pathlib import Path

import pytest

from serve_app.deploy.failure import Failure
from serve_app.local.wanted import Wanted

CHECKOUT = Path("/c")


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        pytest.param(
            {}, Wanted(8000, 8265, 6379, Path("/c/.seedcore"), Path("/c/serve_config.yaml"), 180.0), id="defaults"
        ),
        pytest.param(
            {"SEEDCORE_HTTP_PORT": "", "SEEDCORE_HOME": ""},
            Wanted(8000, 8265, 6379, Path("/c/.seedcore"), Path("/c/serve_config.yaml"), 180.0),
            id="empty counts as unset",
        ),
        pytest.param(
            {
                "SEEDCORE_HTTP_PORT": "9000",
                "SEEDCORE_DASHBOARD_PORT": "9001",
                "SEEDCORE_RAY_PORT": "9002",
                "SEEDCORE_HOME": "/var/h",
                "SEEDCORE_CONFIG": "other.yaml",
                "SEEDCORE_UP_TIMEOUT_S": "30",
            },
            Wanted(9000, 9001, 9002, Path("/var/h"), Path("/c/other.yaml"), 30.0),
            id="all",
        ),
    ],
)
def test_read(environ: dict[str, str], expected: Wanted) -> None:
    assert Wanted.read(environ, CHECKOUT) == expected


@pytest.mark.parametrize(
    ("environ", "cause"),
    [
        ({"SEEDCORE_HTTP_PORT": "http"}, "SEEDCORE_HTTP_PORT is 'http', which is not a port from 1024 to 65535."),
        ({"SEEDCORE_RAY_PORT": "80"}, "SEEDCORE_RAY_PORT is '80', which is not a port from 1024 to 65535."),
        ({"SEEDCORE_RAY_PORT": "٨٠٠٠"}, "SEEDCORE_RAY_PORT is '٨٠٠٠', which is not a port from 1024 to 65535."),
        (
            {"SEEDCORE_RAY_PORT": "8000"},
            "Two services cannot share one port: "
            "SEEDCORE_HTTP_PORT=8000, SEEDCORE_DASHBOARD_PORT=8265, SEEDCORE_RAY_PORT=8000.",
        ),
        (
            {"SEEDCORE_UP_TIMEOUT_S": "nan"},
            "SEEDCORE_UP_TIMEOUT_S is 'nan', which is not a number of seconds from 1 to 3600.",
        ),
    ],
)
def test_read_refuses(environ: dict[str, str], cause: str) -> None:
    with pytest.raises(Failure) as refused:
        Wanted.read(environ, CHECKOUT)
    assert refused.value.cause == cause
