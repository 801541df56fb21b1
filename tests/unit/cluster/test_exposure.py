"""Where Serve listens, as the dashboard says it, and what is made of a dashboard that does not."""

from __future__ import annotations

import http.client
import io
import json
import urllib.error
from typing import Any

import pytest

from serve_app.cluster import exposure


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        ({"http_options": {"host": "127.0.0.1"}}, "127.0.0.1"),
        ({"http_options": {"host": 7}}, None),
        ({"http_options": None}, None),
        ({}, None),
        ([], None),
        (urllib.error.URLError("refused"), None),
        (TimeoutError(), None),
        # What comes after the connection is not wrapped by urllib.
        (ConnectionResetError(), None),
        (http.client.BadStatusLine("SSH-2.0"), None),
    ],
)
def test_host(monkeypatch: pytest.MonkeyPatch, answer: Any, wanted: str | None) -> None:
    def urlopen(request: Any, timeout: float) -> Any:
        assert request.full_url == "http://127.0.0.1:8265/api/serve/applications/"
        assert timeout > 0
        if isinstance(answer, Exception):
            raise answer
        return io.BytesIO(json.dumps(answer).encode())

    monkeypatch.setattr(exposure, "find_dashboard_address", lambda: "http://127.0.0.1:8265")
    monkeypatch.setattr(exposure.urllib.request, "urlopen", urlopen)
    assert exposure.find_http_host() == wanted


def test_without_a_dashboard_it_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exposure, "find_dashboard_address", lambda: None)
    assert exposure.find_http_host() is None
