"""What is made of a dashboard that is none, or that breaks off."""

from __future__ import annotations

import http.client
import io
import urllib.error
from email.message import Message
from typing import Any

import pytest

from serve_app.local import ray_http


class Broken(io.BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        raise http.client.IncompleteRead(b"")


def answering(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    class Opener:
        def open(self, request: Any, timeout: float) -> Any:
            raise error

    monkeypatch.setattr(ray_http, "_OPENER", Opener())


@pytest.mark.parametrize(
    "error",
    [ConnectionRefusedError(), TimeoutError(), http.client.BadStatusLine("SSH-2.0-x"), http.client.IncompleteRead(b"")],
)
def test_what_is_no_dashboard_is_no_answer(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    answering(monkeypatch, error)
    assert ray_http.find_ray("http://127.0.0.1:1") is None
    assert ray_http.fetch_ready_status("http://127.0.0.1:1") == (0, {})
    with pytest.raises(ray_http.NoAnswer, match=r"."):
        ray_http.fetch_serve_details("http://127.0.0.1:1")


def test_a_refusal_that_breaks_off_is_still_one(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, urllib.error.HTTPError("http://127.0.0.1:1", 503, "busy", Message(), Broken()))
    assert ray_http.fetch_ready_status("http://127.0.0.1:1") == (503, {})


def test_where_ray_does_not_tell_its_nodes_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, ConnectionRefusedError())
    assert ray_http.fetch_placement("http://127.0.0.1:1") == ([], {})


@pytest.mark.parametrize(
    ("body", "nodes"),
    [
        (b'{"result": true, "data": {"result": {"result": [{"node_id": "n"}]}}}', [{"node_id": "n"}]),
        (b'{"result": false, "data": null}', []),
        (b"[]", []),
    ],
)
def test_nodes_and_the_autoscaler(monkeypatch: pytest.MonkeyPatch, body: bytes, nodes: list[Any]) -> None:
    class Opener:
        def open(self, request: Any, timeout: float) -> Any:
            return io.BytesIO(b'{"data": {}}' if request.full_url.endswith("/api/cluster_status") else body)

    monkeypatch.setattr(ray_http, "_OPENER", Opener())
    assert ray_http.fetch_placement("http://127.0.0.1:1") == (nodes, {"data": {}})
