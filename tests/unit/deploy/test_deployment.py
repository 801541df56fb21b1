"""The deploy command against a Serve that answers from memory."""

from __future__ import annotations

import io
import json
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from organs.version import read_own_version
from serve_app.cluster import ray_http
from serve_app.deploy import deployment, handover
from serve_app.deploy.__main__ import main

HELLO: dict[str, Any] = {"name": "hello", "import_path": "hello:app", "route_prefix": "/hello"}
HTTP = {"host": "127.0.0.1", "port": 8000}
CONFIG: dict[str, Any] = {
    "http_options": HTTP,
    "applications": [
        {
            "name": "seedcore",
            "route_prefix": "/",
            "import_path": "serve_app.main:build",
            "args": {"organs": [{"id": "utility_organ_1", "type": "Utility"}]},
        }
    ],
}


# What the deploy command gives each organ.
SCALED = [{"name": "utility_organ_1", "autoscaling_config": {"min_replicas": 1, "max_replicas": 1}}]


class Serve:
    """What a dashboard says of Serve, and what it was sent."""

    def __init__(self) -> None:
        self.version = deployment.version("ray")
        self.apps: dict[str, Any] = {}
        self.sent: list[dict[str, Any]] = []
        self.becomes: dict[str, Any] = {"status": "RUNNING", "message": ""}
        self.time_s = 1.0

    def details(self) -> dict[str, Any]:
        return {
            "controller_info": {"actor_id": "ab"} if self.apps else {},
            "http_options": {"host": "127.0.0.1", "port": 8000} if self.apps else None,
            "applications": json.loads(json.dumps(self.apps)),
        }

    def put(self, url: str, config: dict[str, Any], timeout_s: float = 60.0) -> None:
        self.sent.append(config)
        self.time_s += 1
        self.apps = {
            app["name"]: {
                "source": "declarative",
                "deployed_app_config": app,
                "last_deployed_time_s": self.time_s,
                "route_prefix": app.get("route_prefix"),
                **self.becomes,
            }
            for app in config["applications"]
        }

    def declare(self, *apps: dict[str, Any]) -> None:
        self.put("", {"applications": list(apps)})
        self.sent.clear()


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Serve:
    fake = Serve()
    monkeypatch.setattr(ray_http, "find_ray", lambda url, timeout_s=3.0: ray_http.RayFound(fake.version, "session"))
    monkeypatch.setattr(ray_http, "fetch_serve_details", lambda url, timeout_s=10.0: fake.details())
    monkeypatch.setattr(ray_http, "put_config", fake.put)
    for module in (deployment, handover):
        monkeypatch.setattr(module.time, "sleep", lambda s: None)
    monkeypatch.setenv("SEEDCORE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("sys.stdin", io.StringIO())
    return fake


def deploy(tmp_path: Path, *more: str, config: dict[str, Any] = CONFIG) -> int:
    path = tmp_path / "serve_config.yaml"
    path.write_text(yaml.safe_dump(config))
    return main([str(path), "-a", "http://127.0.0.1:1", *more])


def stamped(config: dict[str, Any] = CONFIG) -> dict[str, Any]:
    (app,) = config["applications"]
    filled_in = {**app["args"], "code_version": read_own_version(), "deployed_http": HTTP}
    return {**app, "args": filled_in, "deployments": [*app.get("deployments", ()), *SCALED]}


def names(config: dict[str, Any]) -> list[str]:
    return [app["name"] for app in config["applications"]]


def test_the_neighbour_stays(serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    serve.declare(HELLO)
    assert deploy(tmp_path, "--yes") == 0
    assert serve.sent == [{**CONFIG, "applications": [stamped(), HELLO]}]
    out = capsys.readouterr().out
    assert "  add     seedcore\n  keep    hello\n" in out
    assert "seedcore: RUNNING\nnext:  python -m serve_app.report --url http://127.0.0.1:8000\n" in out


@pytest.mark.parametrize(("before", "is_told"), [("an-older-version", True), (read_own_version(), False)])
def test_that_a_migrated_database_may_have_no_way_back_is_told_before_one_agrees(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str], before: str, is_told: bool
) -> None:
    older = stamped()
    serve.declare({**older, "args": {**older["args"], "code_version": before}, "deployments": []})
    assert deploy(tmp_path) == 1
    assert serve.sent == []
    told = capsys.readouterr().out
    assert ("brings a database of an-older-version to its own revision" in told) is is_told
    assert ("PostgreSQL has no way back but your own dump" in told) is is_told


def test_without_a_terminal_nothing_is_done_that_nobody_agreed_to(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serve.declare(HELLO)
    assert deploy(tmp_path) == 1
    assert serve.sent == []
    told = capsys.readouterr()
    assert "  add     seedcore" in told.out
    assert "There is no terminal to ask on" in told.err


@pytest.mark.parametrize(("answer", "code", "sent"), [("y\n", 0, 1), ("n\n", 1, 0), ("\n", 1, 0), ("", 1, 0)])
def test_it_asks(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, sent: int
) -> None:
    terminal = io.StringIO(answer)
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdin", terminal)
    assert deploy(tmp_path) == code
    assert len(serve.sent) == sent


def test_what_would_be_deleted_is_shown_and_deleted_when_the_file_is_meant_for_all(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serve.declare(HELLO)
    assert deploy(tmp_path, "--exact") == 1
    assert "  delete  hello\n" in capsys.readouterr().out
    assert serve.sent == []
    assert deploy(tmp_path, "--exact", "--yes") == 0
    assert names(serve.sent[-1]) == ["seedcore"]


def test_nothing_to_change_is_sent_nothing(serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    serve.declare(stamped(), HELLO)
    assert deploy(tmp_path) == 0
    assert serve.sent == []
    assert "Nothing to change.\nseedcore: RUNNING\n" in capsys.readouterr().out


def test_what_check_refuses_is_not_sent(serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (app,) = CONFIG["applications"]
    wrong = {**CONFIG, "applications": [{**app, "deployments": [{"name": "Ingress", "user_config": {"nope": 1}}]}]}
    assert deploy(tmp_path, "--yes", config=wrong) == 1
    assert serve.sent == []
    assert "deployments[0].user_config.nope: got an unknown key" in capsys.readouterr().err


@pytest.mark.parametrize(("host", "told"), [("127.0.0.1", False), ("0.0.0.0", True)])
def test_whether_the_cluster_has_tokens_is_not_decided_by_the_shell_of_who_deploys(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str], host: str, told: bool
) -> None:
    assert deploy(tmp_path, "--yes", config={**CONFIG, "http_options": {"host": host}}) == 0
    assert ("no token is configured here: where the cluster has none" in capsys.readouterr().out) is told


def test_a_failure_is_told_in_serves_words_with_the_way_back(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serve.becomes = {"status": "DEPLOY_FAILED", "message": "ModuleNotFoundError: No module named 'organs'"}
    assert deploy(tmp_path, "--yes") == 1
    told = capsys.readouterr().err
    assert "Serve could not run seedcore: DEPLOY_FAILED." in told
    assert "No module named 'organs'" in told
    assert "python -m serve_app.deploy --previous -a http://127.0.0.1:1" in told


def test_the_wait_has_an_end(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    serve.becomes = {"status": "DEPLOYING", "message": ""}
    clock = iter(range(0, 100_000, 10))
    monkeypatch.setattr(deployment.time, "monotonic", lambda: float(next(clock)))
    assert deploy(tmp_path, "--yes") == 1
    assert "Not running after 180 s: seedcore." in capsys.readouterr().err


def test_two_that_want_one_route_are_refused_before_serve_is_asked(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serve.declare({**HELLO, "route_prefix": "/"})
    assert deploy(tmp_path, "--yes") == 1
    assert serve.sent == []
    assert "seedcore and hello, which is deployed there, both want the route /." in capsys.readouterr().err


def test_who_was_faster_is_not_written_over(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = [
        {"applications": {}},
        {"applications": {"hello": {"source": "declarative", "deployed_app_config": HELLO}}},
    ]
    monkeypatch.setattr(ray_http, "fetch_serve_details", lambda url, timeout_s=10.0: answers.pop(0))
    assert deploy(tmp_path, "--yes") == 1
    assert serve.sent == []
    assert "What is deployed there was changed meanwhile" in capsys.readouterr().err


def test_what_a_neighbour_deploys_while_callers_are_given_time_stays(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve.declare(stamped(change(task_timeout_s=7.0)))

    def let_callers_wait(self: Any, tick: Any) -> None:
        serve.declare(stamped(change(task_timeout_s=7.0)), HELLO)

    monkeypatch.setattr(handover.Handover, "let_callers_wait", let_callers_wait)
    assert deploy(tmp_path, "--yes") == 0
    assert names(serve.sent[-1]) == ["seedcore", "hello"]


def test_after_a_failure_one_goes_back_to_what_ran(serve: Serve, tmp_path: Path) -> None:
    assert deploy(tmp_path, "--yes") == 0
    serve.becomes = {"status": "DEPLOY_FAILED", "message": "no"}
    assert deploy(tmp_path, "--yes", config=change(task_timeout_s=7.0)) == 1
    assert deploy(tmp_path, "--yes", config=change(task_timeout_s=8.0)) == 1
    serve.becomes = {"status": "RUNNING", "message": ""}
    assert main(["--previous", "-a", "http://127.0.0.1:1", "--yes"]) == 0
    assert serve.sent[-1]["applications"] == [stamped()]


def test_what_serve_refuses_does_not_take_the_way_back(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert deploy(tmp_path, "--yes") == 0
    assert deploy(tmp_path, "--yes", config=change(task_timeout_s=7.0)) == 0

    def refuse(url: str, config: dict[str, Any], timeout_s: float = 60.0) -> None:
        raise ray_http.Refused(400, b"no")

    with monkeypatch.context() as patched:
        patched.setattr(handover.Handover, "let_callers_wait", lambda self, tick: None)
        patched.setattr(ray_http, "put_config", refuse)
        assert deploy(tmp_path, "--yes", config=change(task_timeout_s=8.0)) == 1
    assert main(["--previous", "-a", "http://127.0.0.1:1", "--yes"]) == 0
    assert serve.sent[-1]["applications"] == [stamped()]


def test_what_is_interrupted_before_it_is_sent_does_not_take_the_way_back(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert deploy(tmp_path, "--yes") == 0
    assert deploy(tmp_path, "--yes", config=change(task_timeout_s=7.0)) == 0

    def interrupt(self: Any, tick: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(handover.Handover, "let_callers_wait", interrupt)
        assert deploy(tmp_path, "--yes", config=change(task_timeout_s=8.0)) == 130
    assert main(["--previous", "-a", "http://127.0.0.1:1", "--yes"]) == 0
    assert serve.sent[-1]["applications"] == [stamped()]


def test_another_ray_is_refused(serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    serve.version = "2.59.1"
    assert deploy(tmp_path, "--yes") == 1
    assert "is a Ray 2.59.1" in capsys.readouterr().err


def change(**settings: Any) -> dict[str, Any]:
    (app,) = CONFIG["applications"]
    return {**CONFIG, "applications": [{**app, "deployments": [{"name": "Ingress", "user_config": settings}]}]}


def test_one_goes_back_to_what_was_in_force_and_forth_again(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serve.declare(HELLO)
    back = ["--previous", "-a", "http://127.0.0.1:1", "--yes"]
    assert deploy(tmp_path, "--yes") == 0
    assert deploy(tmp_path, "--yes", config=change(task_timeout_s=7.0)) == 0
    newer = {**HELLO, "args": {"of": "the neighbour's next deployment"}}
    serve.apps["hello"]["deployed_app_config"] = newer
    assert main(back) == 0
    assert serve.sent[-1]["applications"] == [stamped(), newer]
    assert main(back) == 0
    assert serve.sent[-1]["applications"] == [stamped(change(task_timeout_s=7.0)), newer]
    kept = tmp_path / "home" / "deployed.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert json.loads(kept.read_text())["clusters"]["http://127.0.0.1:1"]["product"] == read_own_version()


def test_one_goes_back_to_where_it_was_not_there(serve: Serve, tmp_path: Path) -> None:
    serve.declare(HELLO)
    assert deploy(tmp_path, "--yes") == 0
    assert main(["--previous", "-a", "http://127.0.0.1:1", "--yes"]) == 0
    assert serve.sent[-1]["applications"] == [HELLO]


OLD = {"code_version": "0.0.9+aaaaaaaaaaaa", "organs": [{"id": "utility_organ_1", "type": "Utility"}]}


def test_code_that_is_not_installed_is_named_and_refused(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serve.declare({**stamped(), "args": OLD})
    assert deploy(tmp_path, "--yes") == 0
    sent = len(serve.sent)
    assert main(["--previous", "-a", "http://127.0.0.1:1", "--yes"]) == 1
    told = capsys.readouterr().err
    assert f"is of the code 0.0.9+aaaaaaaaaaaa; installed here is {read_own_version()}." in told
    assert "Install 0.0.9+aaaaaaaaaaaa on every node" in told
    assert len(serve.sent) == sent


def test_code_that_came_with_its_environment_comes_back_with_it(serve: Serve, tmp_path: Path) -> None:
    before = {**stamped(), "args": OLD, "runtime_env": {"working_dir": "s3://bucket/seedcore-0.0.9.zip"}}
    serve.declare(before)
    assert deploy(tmp_path, "--yes") == 0
    assert main(["--previous", "-a", "http://127.0.0.1:1", "--yes"]) == 0
    assert serve.sent[-1]["applications"] == [before]


def test_the_version_of_code_that_comes_with_the_file_is_the_files(serve: Serve, tmp_path: Path) -> None:
    (app,) = CONFIG["applications"]
    own = {**app, "args": OLD, "runtime_env": {"working_dir": "s3://bucket/seedcore-0.0.9.zip"}}
    assert deploy(tmp_path, "--yes", config={**CONFIG, "applications": [own]}) == 0
    assert serve.sent[-1]["applications"] == [
        {**own, "args": {**OLD, "deployed_http": HTTP}, "deployments": SCALED}
    ]


def test_callers_are_given_time_first_where_it_runs(serve: Serve, tmp_path: Path) -> None:
    serve.declare(stamped(change(task_timeout_s=7.0)), HELLO)
    assert deploy(tmp_path, "--yes") == 0
    patient, last = serve.sent
    assert patient["applications"][0]["deployments"][0]["user_config"] == {
        "task_timeout_s": 7.0,
        "call_timeout_s": 60.0,
    }
    assert [names(patient), names(last)] == [["seedcore", "hello"], ["seedcore", "hello"]]


@pytest.mark.parametrize(
    "arguments", [[], ["x.yaml", "--previous"], ["--previous", "--exact"], ["x.yaml", "--timeout-s", "0"],
                  ["x.yaml", "-a", "ftp://head"]]
)  # fmt: skip
def test_called_wrongly(serve: Serve, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
