"""The configuration as it is deployed, and what changed of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from organs.version import read_version
from serve_app.local import rendering
from serve_app.local.wanted import CHECKOUT, FLAGS_FILE

OURS = {"http_options": {"port": 8000}, "applications": [{"name": "seedcore"}]}


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


def test_fingerprint_is_of_the_content() -> None:
    assert rendering.compute_sha256({"a": 1, "b": 2}) == rendering.compute_sha256({"b": 2, "a": 1})
    assert rendering.compute_sha256({"a": 1}) != rendering.compute_sha256({"a": 2})


def test_written_file_is_the_configuration(tmp_path: Path) -> None:
    assert yaml.safe_load(rendering.write(tmp_path, OURS).read_text()) == OURS


def test_prints_change_with_what_they_are_of() -> None:
    before = rendering.compute_prints(CHECKOUT, FLAGS_FILE, {"SEEDCORE_HOME": "/h"})
    assert (
        rendering.compute_prints(CHECKOUT, FLAGS_FILE, {"SEEDCORE_HOME": "/h", "SEEDCORE_CONFIG": "x", "OTHER": "y"})
        == before
    )
    changed = rendering.compute_prints(CHECKOUT, FLAGS_FILE, {"SEEDCORE_HOME": "/other"})
    assert [name for name in before if before[name] != changed[name]] == ["a SEEDCORE_ variable"]


def test_the_code_has_its_version_among_the_prints() -> None:
    assert rendering.compute_prints(CHECKOUT, FLAGS_FILE, {})[rendering.CODE] == read_version(CHECKOUT)
