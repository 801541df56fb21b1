"""What was in force before: kept by cluster, bounded, and refused where it cannot be read or written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from serve_app.deploy import previous
from serve_app.deploy.changes import Changes, compare
from serve_app.deploy.failure import Failure
from serve_app.deploy.merging import merge
from serve_app.deploy.previous import Before, has_own_code, keep_version, list_needed_versions, load, note_before, save

ROOT = Path(__file__).resolve().parents[3]
OURS: dict[str, Any] = {"name": "seedcore", "import_path": "serve_app.main:build", "args": {"code_version": "1+a"}}


def test_each_cluster_has_its_own(tmp_path: Path) -> None:
    home = tmp_path / "not" / "there"
    assert load(home, "http://a") is None
    for number in range(25):
        save(home, f"http://{number}", Before(added=(str(number),)))
    save(home, "http://24", Before(applications=(OURS,), product="1+a", kept_at="t"))
    assert load(home, "http://24") == Before(applications=(OURS,), product="1+a", kept_at="t")
    assert load(home, "http://5") == Before(added=("5",))
    assert load(home, "http://4") is None  # bounded
    assert [path.name for path in home.iterdir()] == ["deployed.json"]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"clusters": 5}'])
def test_what_cannot_be_read_is_named(tmp_path: Path, text: str) -> None:
    previous.find_file(tmp_path).write_text(text)
    with pytest.raises(Failure, match=r"deployed\.json cannot be read"):
        load(tmp_path, "http://a")


def test_what_a_later_version_wrote_is_read(tmp_path: Path) -> None:
    previous.find_file(tmp_path).write_text('{"clusters": {"http://a": {"added": ["x"], "new": 1}}, "more": 2}')
    assert load(tmp_path, "http://a") == Before(added=("x",))


def test_without_a_way_back_nothing_is_deployed(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    with pytest.raises(Failure, match="home"):
        save(tmp_path / "home", "http://a", Before())


def test_only_what_is_changed_is_kept() -> None:
    apps = {name: {"deployed_app_config": {"name": name}} for name in ("a", "b", "c")}
    apps["by_hand"] = {}
    changes = Changes(added=("n",), changed=(("a", ()), ("by_hand", ())), deleted=("b",), kept=("c",))
    kept = note_before(changes, {"applications": apps}, None, "1+a", "t")
    assert kept == Before(applications=({"name": "a"}, {"name": "b"}), added=("n",), product="1+a", kept_at="t")


def test_what_failed_was_never_in_force() -> None:
    apps = {name: {"status": "DEPLOY_FAILED", "deployed_app_config": {"name": name, "bad": 1}} for name in "abc"}
    changes = Changes(changed=(("a", ()), ("b", ()), ("c", ())))
    kept = Before(applications=({"name": "a", "good": 1},), added=("b",))
    told = note_before(changes, {"applications": apps}, kept, "1+a", "t")
    # Of the third nothing better is known.
    assert told.applications == ({"name": "a", "good": 1}, {"name": "c", "bad": 1})
    assert told.added == ("b",)


@pytest.mark.parametrize(
    ("environment", "own"),
    [
        (None, False),
        ({}, False),
        ({"env_vars": {"A": "b"}, "working_dir": None}, False),
        ({"pip": ["numpy"]}, False),
        ({"working_dir": "s3://b/c.zip"}, True),
        ({"py_modules": ["s3://b/c.zip"]}, True),
        ({"image_uri": "registry/seedcore:1"}, True),
    ],
)
def test_whether_the_code_comes_with_it(environment: Any, own: bool) -> None:
    app = {**OURS, "runtime_env": environment}
    assert has_own_code(app) is own
    assert list_needed_versions([app, {"name": "hello", "args": {"code_version": "9"}}]) == ([] if own else ["1+a"])
    stamped = {**app, "args": {"code_version": "2+b", "deployed_http": {}}}
    assert keep_version(app, stamped)["args"] == {"code_version": "1+a" if own else "2+b", "deployed_http": {}}
    unversioned = {**app, "args": {}}
    assert keep_version(unversioned, stamped)["args"] == {
        **({} if own else {"code_version": "2+b"}),
        "deployed_http": {},
    }


def test_the_shipped_file_is_no_change_once_it_is_deployed() -> None:
    """Serve keeps what it was sent in a form of its own (``ServeController.apply_config``)."""
    from ray.serve.schema import ServeDeploySchema

    config = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    del config["applications"][0]["logging_config"]
    sent = merge(config, {})
    kept = ServeDeploySchema.model_validate(sent)
    for app in kept.applications:
        app.logging_config = app.logging_config or kept.logging_config
    apps = {
        app.name: {"source": "declarative", "deployed_app_config": app.model_dump(mode="json", exclude_unset=True)}
        for app in kept.applications
    }
    assert compare(merge(config, {"applications": apps}), {"applications": apps}, config) == Changes(kept=("seedcore",))
