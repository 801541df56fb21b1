"""The configuration as it is deployed, beside other people's applications."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from serve_app.local import rendering
from serve_app.local.wanted import CHECKOUT, FLAGS_FILE

OURS = {"http_options": {"port": 8000}, "applications": [{"name": "seedcore"}]}
OTHER = {"name": "other", "import_path": "o:app"}
DETAILS: dict[str, Any] = {
    "proxy_location": "HeadOnly",
    "http_options": {"host": "127.0.0.1", "port": 9000},
    "grpc_options": {},
    "applications": {
        "seedcore": {"source": "declarative", "deployed_app_config": {"name": "seedcore"}},
        "other": {"source": "declarative", "deployed_app_config": OTHER},
        "by_hand": {"source": "imperative", "deployed_app_config": {"name": "by_hand"}},
    },
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "http_options: {host: h, port: 1}\nproxy_location: P",
            {"http_options": {"host": "h", "port": 9}, "proxy_location": "P"},
        ),
        ("proxy_location: P", {"proxy_location": "P", "http_options": {"port": 9}}),
        ("http_options:\n", {"http_options": {"port": 9}}),
    ],
)
def test_only_the_port_differs(text: str, expected: dict[str, Any]) -> None:
    assert rendering.render(text, 9) == expected


def test_other_applications_are_kept() -> None:
    assert rendering.with_others(OURS, DETAILS) == {**OURS, "applications": [{"name": "seedcore"}, OTHER]}
    assert rendering.remaining(DETAILS, without=["seedcore"]) == {
        "proxy_location": "HeadOnly",
        "http_options": {"host": "127.0.0.1", "port": 9000},
        "applications": [OTHER],
    }


def test_fingerprint_is_of_the_content() -> None:
    assert rendering.sha256_of({"a": 1, "b": 2}) == rendering.sha256_of({"b": 2, "a": 1})
    assert rendering.sha256_of({"a": 1}) != rendering.sha256_of({"a": 2})


def test_written_file_is_the_configuration(tmp_path: Path) -> None:
    assert yaml.safe_load(rendering.write(tmp_path, OURS).read_text()) == OURS


def test_prints_change_with_what_they_are_of() -> None:
    before = rendering.prints(CHECKOUT, FLAGS_FILE, {"SEEDCORE_HOME": "/h"})
    assert (
        rendering.prints(CHECKOUT, FLAGS_FILE, {"SEEDCORE_HOME": "/h", "SEEDCORE_CONFIG": "x", "OTHER": "y"}) == before
    )
    changed = rendering.prints(CHECKOUT, FLAGS_FILE, {"SEEDCORE_HOME": "/other"})
    assert [name for name in before if before[name] != changed[name]] == ["a SEEDCORE_ variable"]
