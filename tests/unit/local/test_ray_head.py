"""How a Ray head of our own is started."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from serve_app.jobs.settings import InspectorConfig
from serve_app.local import ray_head
from serve_app.local.ports import ChosenPorts
from serve_app.local.wanted import CHECKOUT, Wanted

WANTED = Wanted(8000, 8265, 6379, Path("/h"), Path("/h/c.yaml"), 180.0)
CHOSEN = ChosenPorts(20001, 20002, 20003, 20004, 20005, 20006, 20007, 20008, 20108)
TEMP_DIR = Path("/t/sc-1")


def test_environment_of_the_head() -> None:
    flags = {"RAY_SERVE_KV_TIMEOUT_S": "5", "RAY_SERVE_ENABLE_HA_PROXY": "1"}
    base = {"PATH": "/bin", "RAY_ADDRESS": "10.0.0.1:6379", "RAY_SERVE_KV_TIMEOUT_S": "9", "HOME": "/root"}
    assert ray_head.build_environment(base, flags, WANTED, CHOSEN, TEMP_DIR, "key-of-the-events") == {
        "HOME": "/root",
        "PATH": f"{ray_head.BIN}:/bin",
        "SEEDCORE_HOME": "/h",
        "SEEDCORE_EVENTS_KEY": "key-of-the-events",
        "RAY_DASHBOARD_AGGREGATOR_AGENT_EVENTS_EXPORT_ADDR": "http://127.0.0.1:8000/events/key-of-the-events",
        "SEEDCORE_UP_HEAD": "/t/sc-1",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_AUTH_MODE": "disabled",
        "RAY_DASHBOARD_ENABLE_PROFILING": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "AUTOSCALER_METRIC_PORT": "20002",
        "DASHBOARD_METRIC_PORT": "20003",
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_KV_TIMEOUT_S": "9",
        "RAY_SERVE_HAPROXY_STATS_PORT": "20004",
        "RAY_SERVE_HAPROXY_METRICS_PORT": "20005",
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": "20006",
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": "20007",
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": "20008",
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": "20107",
        "RAY_SERVE_DIRECT_INGRESS_MIN_GRPC_PORT": "20108",
        "RAY_SERVE_DIRECT_INGRESS_MAX_GRPC_PORT": "20207",
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "2",
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": "/t/sc-1/haproxy/haproxy.cfg",
        "RAY_SERVE_HAPROXY_SOCKET_PATH": "/t/sc-1/haproxy/admin.sock",
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": "/t/sc-1/haproxy",
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": "/t/sc-1/haproxy/server-state",
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": "/t/sc-1/haproxy/metrics.sock",
    }


def test_without_a_key_no_events_are_exported() -> None:
    environ = ray_head.build_environment({}, {}, WANTED, CHOSEN, TEMP_DIR, None)
    assert [name for name in environ if "EVENTS" in name] == []


def test_who_forbids_looks_into_processes_has_them_forbidden() -> None:
    environ = ray_head.build_environment({"RAY_DASHBOARD_ENABLE_PROFILING": "0"}, {}, WANTED, CHOSEN, TEMP_DIR, None)
    assert environ["RAY_DASHBOARD_ENABLE_PROFILING"] == "0"


def test_who_sets_the_mode_of_tokens_has_it_as_set() -> None:
    environ = ray_head.build_environment({"RAY_AUTH_MODE": "token"}, {}, WANTED, CHOSEN, TEMP_DIR, None)
    assert environ["RAY_AUTH_MODE"] == "token"


def test_command_of_the_head() -> None:
    assert ray_head.build_command(WANTED, CHOSEN, TEMP_DIR)[1:] == [
        "start",
        "--head",
        "--port=6379",
        "--dashboard-host=127.0.0.1",
        "--dashboard-port=8265",
        "--ray-client-server-port=20001",
        "--dashboard-agent-listen-port=0",
        "--metrics-export-port=0",
        "--min-worker-port=0",
        "--max-worker-port=0",
        "--temp-dir=/t/sc-1",
        "--disable-usage-stats",
        "--log-style=record",
        "--log-color=false",
    ]


def test_every_serve_flag_exists_in_the_installed_ray() -> None:
    found = importlib.util.find_spec("ray")
    assert found is not None
    assert found.origin is not None
    source = (Path(found.origin).parent / "serve" / "_private" / "constants.py").read_text()
    ours = ray_head.build_environment({}, ray_head.read_flags(), WANTED, CHOSEN, TEMP_DIR, "k")
    names = [name for name in ours if name.startswith("RAY_SERVE_")]
    assert len(names) > len(asdict(CHOSEN))
    assert [name for name in names if f'"{name}"' not in source] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("# a comment\n\nA=1\n  B = two=2 \n#C=3\n", {"A": "1", "B": "two=2"}),
    ],
)
def test_read_flags(tmp_path: Path, text: str, expected: dict[str, str]) -> None:
    (tmp_path / "serve.env").write_text(text)
    assert ray_head.read_flags(tmp_path / "serve.env") == expected


def test_tools_reach_this_machine_directly() -> None:
    base = {"RAY_ADDRESS": "10.0.0.1:6379", "RAY_API_SERVER_ADDRESS": "x", "NO_PROXY": "a.example", "A": "1"}
    direct = "a.example,127.0.0.1,localhost"
    assert ray_head.build_client_environment(base) == {"A": "1", "NO_PROXY": direct, "no_proxy": direct}


def test_file_for_drivers() -> None:
    environ = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "disabled", "SECRET": "x"}
    text = ray_head.render_driver_environment(environ, WANTED)
    assert text == (
        "# set -a; . THIS_FILE; set +a; then run the driver.\n"
        "RAY_ADDRESS=127.0.0.1:6379\nRAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0\nRAY_AUTH_MODE=disabled\n"
        "RAY_API_SERVER_ADDRESS=http://127.0.0.1:8265\nRAY_DASHBOARD_ADDRESS=http://127.0.0.1:8265\n"
    )


def test_a_proxy_that_is_killed_is_found_within_three_short_checks() -> None:
    flags = ray_head.read_flags()
    assert float(flags["RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S"]) == 1
    assert float(flags["RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S"]) == 3


def test_a_reload_of_haproxy_cuts_no_log_that_is_followed_and_no_request() -> None:
    hard_stop_s = int(ray_head.read_flags()["RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S"])
    deployed = yaml.safe_load((CHECKOUT / "serve_config.yaml").read_text())
    assert hard_stop_s > InspectorConfig().follow_limit_s
    assert hard_stop_s >= deployed["http_options"]["request_timeout_s"]


SECRETS = {
    "SEEDCORE_OPERATOR_TOKEN": "operator-token-012345",
    "SEEDCORE_DATABASE_URL": "postgresql://me:p4ss-word@db/x",
    "SEEDCORE_LLM_API_KEY": "key-of-the-model",
}


def test_no_secret_goes_into_the_environment_of_ray() -> None:
    base = {**SECRETS, "SEEDCORE_TOKENS_FILE": "/etc/tokens.yaml", "OTHER": "x"}
    environ = ray_head.build_environment(
        base, {}, WANTED, CHOSEN, TEMP_DIR, "key-of-the-events", Path("/h/secrets.yaml")
    )
    assert [name for name, value in environ.items() if value in SECRETS.values() or name in SECRETS] == []
    assert (environ["SEEDCORE_SECRETS_FILE"], environ["SEEDCORE_TOKENS_FILE"]) == (
        "/h/secrets.yaml",
        "/etc/tokens.yaml",
    )
    assert "SEEDCORE_SECRETS_FILE" not in ray_head.build_environment({}, {}, WANTED, CHOSEN, TEMP_DIR, None)


def test_the_session_lies_below_a_directory_of_the_owner_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for root in ("/tmp", "/" + "x" * 29):
        monkeypatch.setattr(tempfile, "gettempdir", lambda root=root: root)
        made = ray_head.make_temp_dir()
        outer = ray_head.find_own_dir(made)
        try:
            assert made.parent == outer
            assert str(outer).startswith("/tmp/sc-")
            assert outer.stat().st_mode & 0o777 == 0o700
            # As Ray names them (ray/_private/node.py); a path of a unix socket has 107 bytes at most.
            session = (
                f"{'x' * 28}/{outer.name}/{made.name}/session_2026-11-28_11-19-35_123456_4194304/sockets/plasma_store"
            )
            assert len(f"/{session}") - 1 <= 107
        finally:
            shutil.rmtree(outer)
    # Of an older version, and what is somebody else's.
    assert ray_head.find_own_dir(Path("/tmp/sc-1234")) == Path("/tmp/sc-1234")
    assert ray_head.find_own_dir(Path("/srv/r")) == Path("/srv/r")
