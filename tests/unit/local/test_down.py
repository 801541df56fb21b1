"""`make down` tells the history what it ended, and only that."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from serve_app.cluster import ray_http
from serve_app.cluster.ray_http import RayFound
from serve_app.cluster.ray_token import TokenRefused
from serve_app.deploy.progress import Progress
from serve_app.env import Env
from serve_app.local import down, processes
from serve_app.local.state import UpState

FOUND = UpState(started_at="", http_port=1, dashboard_port=2, ray_port=3, temp_dir="/nowhere")


@pytest.mark.parametrize(
    ("alive", "ray", "failure", "told", "says"),
    [
        (True, RayFound("2.60.0", "s1"), None, ["s1"], ""),
        (True, RayFound("2.60.0", "s1"), "Down.", ["s1"], "does not know that its jobs were stopped on request: Down."),
        (True, None, None, [], ""),  # its dashboard does not answer
        (False, RayFound("2.60.0", "s1"), None, [], ""),  # it was killed before: what ran in it is lost
    ],
)
def test_what_the_history_is_told(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    alive: bool,
    ray: RayFound | None,
    failure: str | None,
    told: list[str],
    says: str,
) -> None:
    asked: list[tuple[Path, str]] = []

    def tell(env: Env, session: str) -> str | None:
        asked.append((env.home, session))
        return failure

    ended: list[Any] = []
    monkeypatch.setattr(processes, "is_head_alive", lambda _: alive)
    monkeypatch.setattr(ray_http, "find_ray", lambda _: ray)
    monkeypatch.setattr(ray_http, "shut_serve_down", lambda *_: ended.append("serve"))
    monkeypatch.setattr(down, "clear_away", lambda found: ended.append(found.temp_dir) or 7)
    monkeypatch.setattr(down, "tell_history", tell)
    terminal = io.StringIO()
    down._end_our_head(FOUND, tmp_path, Progress(terminal, 1, 2))
    assert (asked, ended) == ([(tmp_path, name) for name in told], [*["serve"] * alive, "/nowhere"])
    assert says in terminal.getvalue()
    assert ("does not know" in terminal.getvalue()) is (failure is not None)


def test_a_head_whose_token_is_not_at_hand_is_ended_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[str] = []

    def refuse(*_: Any) -> None:
        raise TokenRefused("It asks for its token.", "Set RAY_AUTH_MODE=token.")

    (tmp_path / "session_2026").mkdir()
    (tmp_path / "session_latest").symlink_to("session_2026")
    monkeypatch.setattr(processes, "is_head_alive", lambda _: True)
    monkeypatch.setattr(ray_http, "find_ray", refuse)
    monkeypatch.setattr(down, "clear_away", lambda found: 7)
    monkeypatch.setattr(down, "tell_history", lambda env, session: asked.append(session))
    terminal = io.StringIO()
    found = FOUND.model_copy(update={"temp_dir": str(tmp_path)})
    down._end_our_head(found, tmp_path, Progress(terminal, 1, 2))
    assert asked == ["session_2026"]
    assert "not asked to end by itself (It asks for its token. Set RAY_AUTH_MODE=token.)" in terminal.getvalue()
    assert "7 processes ended" in terminal.getvalue()


def test_a_session_that_the_history_does_not_have(tmp_path: Path) -> None:
    assert down.tell_history(Env(home=tmp_path), "s1") == "it has no session s1"
    assert down.tell_history(Env(home=tmp_path, database_url="mysql://x/y"), "s1") == (
        "SEEDCORE_DATABASE_URL begins with mysql://; accepted are sqlite:///, postgresql:// and postgresql+asyncpg://."
    )
