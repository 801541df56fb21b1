"""What `make up` does with the secrets that it is given, and of what it leaves in the home."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import yaml

from serve_app.deploy.home_lock import lock_home
from serve_app.deploy.progress import Progress
from serve_app.env import Env, find_named_secret
from serve_app.hidden.private_file import SecretFileRefused
from serve_app.local import down, processes, rendering, state, up
from serve_app.local.wanted import Wanted
from serve_app.store.migrate import UpgradePlan

TOKEN = "operator-token-012345"
URL = "postgresql://me:p4ss-word@db/x"


def test_secrets_of_the_environment_go_into_a_file_of_the_owner(tmp_path: Path) -> None:
    assert state.save_secrets(tmp_path, {"PATH": "/bin"}) is None
    environ = {"SEEDCORE_OPERATOR_TOKEN": TOKEN, "SEEDCORE_DATABASE_URL": URL, "SEEDCORE_EVENTS_KEY": "k" * 20}
    path = state.save_secrets(tmp_path, environ)
    assert path == tmp_path / "up-secrets.yaml"
    assert path.stat().st_mode & 0o777 == 0o600
    assert yaml.safe_load(path.read_text()) == {"database_url": URL, "operator_token": TOKEN}
    # A shell that lacks the variable finds the history all the same.
    assert state.find_database(tmp_path, {}).database_url == URL
    assert state.find_database(tmp_path, {"SEEDCORE_DATABASE_URL": "sqlite:////x"}).database_url == "sqlite:////x"
    state.forget(tmp_path)
    assert not path.exists()
    assert state.find_database(tmp_path, {}).database_url is None


def test_what_webhooks_name_goes_into_the_file_too(tmp_path: Path) -> None:
    hooks = [{"token_env": name} for name in ("PAGER_TOKEN", "PATH", "pager_token", "UNSET_TOKEN", None)]
    config = {"applications": [{"deployments": [{"user_config": {"webhooks": hooks}}, {"name": "Ingress"}]}, {}]}
    environ = {"PAGER_TOKEN": TOKEN, "PATH": "/bin", "pager_token": TOKEN}
    named = rendering.list_named_variables(config, environ)
    assert named == {"PAGER_TOKEN"}
    path = state.save_secrets(tmp_path, environ, named)
    assert path is not None
    assert yaml.safe_load(path.read_text()) == {"PAGER_TOKEN": TOKEN}
    given = {"SEEDCORE_SECRETS_FILE": str(path)}
    assert find_named_secret("PAGER_TOKEN", given) == TOKEN
    assert find_named_secret("PAGER_TOKEN", given | {"PAGER_TOKEN": "other"}) == "other"
    assert find_named_secret("UNSET_TOKEN", given) == ""
    path.write_text(f"operator_token: {TOKEN}\n")
    assert find_named_secret("SEEDCORE_OPERATOR_TOKEN", given) == TOKEN
    path.chmod(0o644)
    with pytest.raises(SecretFileRefused):
        find_named_secret("PAGER_TOKEN", given)


def test_a_file_that_has_them_all_is_taken_as_it_is(tmp_path: Path) -> None:
    named = tmp_path / "own.yaml"
    named.write_text(f"operator_token: {TOKEN}\n")
    named.chmod(0o600)
    environ = {"SEEDCORE_SECRETS_FILE": str(named)}
    assert state.save_secrets(tmp_path, environ) == named
    assert state.save_secrets(tmp_path, {**environ, "SEEDCORE_OPERATOR_TOKEN": TOKEN}) == named
    both = state.save_secrets(tmp_path, {**environ, "SEEDCORE_DATABASE_URL": URL})
    assert both == tmp_path / "up-secrets.yaml"
    assert yaml.safe_load(both.read_text()) == {"database_url": URL, "operator_token": TOKEN}
    named.chmod(0o644)
    with pytest.raises(SecretFileRefused, match="chmod 600"):
        state.save_secrets(tmp_path, environ)


def test_what_is_written_into_the_home_is_the_owners(tmp_path: Path) -> None:
    with lock_home(tmp_path):
        rendering.write(tmp_path, {"applications": []})
        state.save_driver_file(tmp_path, "RAY_ADDRESS=x\n")
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == dict.fromkeys(
        ("up.lock", "serve_config.yaml", "ray.env"), 0o600
    )


def test_the_database_that_a_file_of_secrets_names_is_the_one_that_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, home = tmp_path / "own.yaml", tmp_path / "home"
    home.mkdir()
    # It is no database of ours, since the file names another one.
    (home / "seedcore.db").write_bytes(b"garbage" * 1_000)
    named.write_text(f"database_url: {URL}\n")
    named.chmod(0o600)
    environ = {"SEEDCORE_HOME": str(home), "SEEDCORE_SECRETS_FILE": str(named)}
    assert state.find_database(home, environ).database_url == URL
    assert state.find_database(home, {**environ, "SEEDCORE_DATABASE_URL": "sqlite:////x"}).database_url == "sqlite:////x"
    looked_at: list[str | None] = []

    async def preview(env: Env) -> UpgradePlan:
        looked_at.append(env.database_url)
        return UpgradePlan(None, "0011", has_way_back=False)

    monkeypatch.setattr(up, "preview_opening", preview)
    up._Up(Wanted.read(environ), Progress(io.StringIO(), 1), environ)._check_database()
    assert looked_at == [URL]


def test_a_file_of_secrets_that_cannot_be_read_keeps_no_head_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = tmp_path / "own.yaml"
    named.write_text(f"database_url: {URL}\n")
    named.chmod(0o644)
    monkeypatch.setenv("SEEDCORE_SECRETS_FILE", str(named))
    monkeypatch.setattr(processes, "is_head_alive", lambda _: True)
    monkeypatch.setattr(down, "_shut_serve_down", lambda _: ("s1", "ended"))
    monkeypatch.setattr(down, "clear_away", lambda _: 7)
    terminal = io.StringIO()
    found = state.UpState(started_at="", http_port=1, dashboard_port=2, ray_port=3, temp_dir="/nowhere")
    down._end_our_head(found, tmp_path, Progress(terminal, 1, 2))
    assert "7 processes ended" in terminal.getvalue()
    assert f"stopped on request: SEEDCORE_SECRETS_FILE: others may use {named}" in terminal.getvalue()
    assert not (tmp_path / "seedcore.db").exists()
