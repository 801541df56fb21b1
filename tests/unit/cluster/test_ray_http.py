"""What is made of a dashboard that is none, or that breaks off."""

from __future__ import annotations

import http.client
import io
import urllib.error
from email.message import Message
from typing import Any

import pytest

from serve_app.cluster import ray_http
from serve_app.cluster.ray_token import TokenRefused


class Broken(io.BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        raise http.client.IncompleteRead(b"")


def answering(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    class Opener:
        def open(self, request: Any, timeout: float) -> Any:
            raise error

    monkeypatch.setattr(ray_http, "_DIRECT", Opener())


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
            return Answer(b'{"data": {}}' if request.full_url.endswith("/api/cluster_status") else body)

    monkeypatch.setattr(ray_http, "_DIRECT", Opener())
    assert ray_http.fetch_placement("http://127.0.0.1:1") == (nodes, {"data": {}})


class Recorder:
    """Answers each question with the same, and remembers what it was asked."""

    def __init__(self, answer: bytes | int, said: bytes = b"Unauthorized: Missing authentication token") -> None:
        self.answer = answer
        self.said = said
        self.asked: list[tuple[str, str, str | None]] = []

    def open(self, request: Any, timeout: float) -> Any:
        self.asked.append((request.method, request.full_url, request.get_header("Authorization")))
        if isinstance(self.answer, int):
            raise urllib.error.HTTPError(request.full_url, self.answer, "no", Message(), io.BytesIO(self.said))
        return Answer(self.answer)


class Answer(io.BytesIO):
    def read1(self, size: int | None = -1) -> bytes:
        return self.read(size)


CALLS = [
    lambda: ray_http.find_ray("http://127.0.0.1:1"),
    lambda: ray_http.fetch_serve_details("http://127.0.0.1:1"),
    lambda: ray_http.put_config("http://127.0.0.1:1", {}),
    lambda: ray_http.shut_serve_down("http://127.0.0.1:1", 1.0),
]


@pytest.fixture
def token_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "the-token-of-that-ray")


@pytest.mark.usefixtures("token_mode")
@pytest.mark.parametrize("call", CALLS)
def test_each_question_to_ray_has_its_token(monkeypatch: pytest.MonkeyPatch, call: Any) -> None:
    recorder = Recorder(b"{}")
    monkeypatch.setattr(ray_http, "_DIRECT", recorder)
    call()
    assert [header for _, _, header in recorder.asked] == ["Bearer the-token-of-that-ray"]


@pytest.mark.usefixtures("token_mode")
def test_the_api_is_no_ray_and_is_not_given_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(b'{"status": "ready"}')
    monkeypatch.setattr(ray_http, "_DIRECT", recorder)
    assert ray_http.fetch_ready_status("http://127.0.0.1:1") == (200, {"status": "ready"})
    assert recorder.asked == [("GET", "http://127.0.0.1:1/ready", None)]


@pytest.mark.parametrize("call", CALLS)
def test_a_ray_that_asks_for_its_token_is_not_taken_for_none(monkeypatch: pytest.MonkeyPatch, call: Any) -> None:
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    monkeypatch.setattr(ray_http, "_DIRECT", Recorder(401))
    with pytest.raises(TokenRefused, match="RAY_AUTH_MODE is not set to token here"):
        call()


def test_another_server_that_asks_for_something_is_no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_http, "_DIRECT", Recorder(401, b"<h1>Who are you?</h1>"))
    assert ray_http.find_ray("http://127.0.0.1:1") is None


def test_what_is_elsewhere_is_asked_as_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    here, elsewhere = Recorder(b"{}"), Recorder(b"{}")
    monkeypatch.setattr(ray_http, "_DIRECT", here)
    monkeypatch.setattr(ray_http, "_BY_ENVIRONMENT", elsewhere)
    others = ["http://head.example:1", "http://127.example:1", "http://localhost.example:1"]
    for url in ("http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1", *others):
        ray_http.fetch_serve_details(url)
    assert [url for _, url, _ in elsewhere.asked] == [f"{url}/api/serve/applications/" for url in others]
    assert len(here.asked) == 3


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"RAY_API_SERVER_ADDRESS": "http://a"}, "http://a"),
        ({"RAY_API_SERVER_ADDRESS": "http://a", "RAY_DASHBOARD_ADDRESS": "http://b/"}, "http://b"),
        ({"SEEDCORE_DASHBOARD_URL": "http://c", "RAY_DASHBOARD_ADDRESS": "http://b"}, "http://c"),
        ({"SEEDCORE_DASHBOARD_URL": ""}, None),
    ],
)
def test_which_dashboard_is_named(environ: dict[str, str], expected: str | None) -> None:
    assert ray_http.find_named_dashboard(environ) == expected
