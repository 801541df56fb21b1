"""What `make up` deploys of the configuration that it is given."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import yaml

from organs.version import read_own_version
from serve_app.cluster import ray_http
from serve_app.deploy import previous
from serve_app.deploy.failure import Failure
from serve_app.deploy.progress import Progress
from serve_app.local import ports, processes, state
from serve_app.local.up import _Up
from serve_app.local.wanted import Wanted

CONFIG = """\
http_options: {host: 127.0.0.1}
applications:
  - name: seedcore
    import_path: serve_app.main:build
    args:
      code_version: 0.0.9+aaaaaaaaaaaa
      organs:
        - {id: cognitive_organ_1, type: Cognitive}
"""


def test_a_file_that_another_code_had_stamped_is_stamped_anew(tmp_path: Path) -> None:
    (tmp_path / "deployed.yaml").write_text(CONFIG)
    wanted = Wanted.read({"SEEDCORE_CONFIG": str(tmp_path / "deployed.yaml"), "SEEDCORE_HTTP_PORT": "8123"})
    checked = _Up(wanted, Progress(io.StringIO(), 1), {})._check_config()
    stamped = yaml.safe_load(CONFIG.replace("0.0.9+aaaaaaaaaaaa", read_own_version()))
    scaled = {"name": "cognitive_organ_1", "autoscaling_config": {"min_replicas": 1, "max_replicas": 1}}
    stamped["applications"][0]["deployments"] = [scaled]
    stamped["applications"][0]["args"]["deployed_http"] = {"host": "127.0.0.1", "port": 8123}
    assert checked == {**stamped, "http_options": {"host": "127.0.0.1", "port": 8123}}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"garbage" * 1_000, "the database file seedcore.db is damaged, or is no database"),
        (None, "something that is no file stands in the place of seedcore.db"),
    ],
)
def test_a_database_that_cannot_be_opened_is_said_before_anything_starts(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    path = tmp_path / "seedcore.db"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    wanted = Wanted.read({"SEEDCORE_HOME": str(tmp_path)})
    with pytest.raises(Failure) as failed:
        _Up(wanted, Progress(io.StringIO(), 1), {})._check_database()
    assert failed.value.cause.startswith(f"{path}: The store is unavailable: {said}")
    assert f"SEEDCORE_HOME={tmp_path} .venv/bin/python -m serve_app.database list" in failed.value.next_step
    if content is not None:
        assert path.read_bytes() == content


def test_a_home_without_a_database_is_no_reason_to_say_anything(tmp_path: Path) -> None:
    out = io.StringIO()
    _Up(Wanted.read({"SEEDCORE_HOME": str(tmp_path)}), Progress(out, 1), {})._check_database()
    assert out.getvalue() == ""
    assert list(tmp_path.iterdir()) == []


HELLO = {"name": "hello", "import_path": "hello:app", "route_prefix": "/hello"}
OF_BEFORE = {"name": "renamed", "import_path": "serve_app.main:build"}


@pytest.mark.parametrize(("ours", "kept"), [(True, [HELLO]), (False, [HELLO, OF_BEFORE])])
def test_applications_of_others_stay_on_a_head_of_ours_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ours: bool, kept: list[dict[str, Any]]
) -> None:
    apps = {app["name"]: {"source": "declarative", "deployed_app_config": app} for app in (HELLO, OF_BEFORE)}
    monkeypatch.setattr(ray_http, "find_ray", lambda url: ray_http.RayFound("2.60.0", "session"))
    monkeypatch.setattr(ray_http, "fetch_serve_details", lambda url: {"applications": apps})
    monkeypatch.setattr(processes, "is_head_alive", lambda marks: True)
    monkeypatch.setattr(ports, "is_free", lambda port: True)
    (tmp_path / "deployed.yaml").write_text(CONFIG)
    wanted = Wanted.read({"SEEDCORE_CONFIG": str(tmp_path / "deployed.yaml"), "SEEDCORE_HOME": str(tmp_path)})
    if ours:
        started = state.UpState(started_at="", http_port=8000, dashboard_port=8265, ray_port=6379, temp_dir="/tmp/sc-x")
        state.save(tmp_path, started)
    up = _Up(wanted, Progress(io.StringIO(), 1), {})
    up.config = up._check_config()
    up._observe()
    assert up.merged["applications"] == [*up.config["applications"], *kept]
    assert up.merged["http_options"] == up.config["http_options"]


def test_what_was_in_force_is_kept_for_the_way_back(tmp_path: Path) -> None:
    wanted, said = Wanted.read({"SEEDCORE_HOME": str(tmp_path)}), io.StringIO()
    up = _Up(wanted, Progress(said, 1), {})
    before = {"name": "seedcore", "import_path": "serve_app.main:build", "args": {"organs": []}}
    up.config = {"http_options": {"host": "127.0.0.1"}}
    up.merged = {"applications": [{**before, "args": {}}, HELLO]}
    with up._keep_previous():
        pass
    assert previous.load(tmp_path, wanted.dashboard_url) is None
    apps = {app["name"]: {"source": "declarative", "deployed_app_config": app} for app in (before, HELLO)}
    up.details = {"controller_info": {"actor_id": "ab"}, "http_options": {"host": "0.0.0.0"}, "applications": apps}
    with up._keep_previous():
        pass
    kept = previous.load(tmp_path, wanted.dashboard_url)
    assert kept is not None
    assert (kept.applications, kept.added) == ((before,), ())
    assert "Serve runs here already with host 0.0.0.0" in said.getvalue()


def test_an_interrupted_run_that_is_repeated_leaves_the_way_back(tmp_path: Path) -> None:
    wanted = Wanted.read({"SEEDCORE_HOME": str(tmp_path)})
    kept = previous.Before(added=("seedcore",))
    previous.save(tmp_path, wanted.dashboard_url, kept)
    up = _Up(wanted, Progress(io.StringIO(), 1), {})
    up.config = {}
    up.merged = {"applications": [HELLO]}
    app = {"source": "declarative", "deployed_app_config": HELLO}
    up.details = {"controller_info": {"actor_id": "ab"}, "applications": {"hello": app}}
    with up._keep_previous():
        pass
    assert previous.load(tmp_path, wanted.dashboard_url) == kept


def test_a_head_in_token_mode_is_given_a_token(tmp_path: Path) -> None:
    wanted, said = Wanted.read({"SEEDCORE_HOME": str(tmp_path)}), io.StringIO()
    environ = {"RAY_AUTH_MODE": "token", "HOME": str(tmp_path)}
    _Up(wanted, Progress(said, 1), environ)._provide_token()
    made = tmp_path / ".ray/auth_token"
    assert len(made.read_text()) == 64
    assert said.getvalue() == f"      made {made}: this head asks for that token (RAY_AUTH_MODE=token)\n"
    _Up(wanted, Progress(said, 1), environ)._provide_token()
    assert said.getvalue().count("made") == 1
