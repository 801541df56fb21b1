"""Starting a Ray head of our own: its command line, its environment, and its short directory."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from serve_app.deploy.failure import Failure, read_last_lines
from serve_app.env import SECRET_FIELDS, get_variable
from serve_app.local.ports import REPLICA_PORTS, ChosenPorts
from serve_app.local.processes import MARKER
from serve_app.local.wanted import FLAGS_FILE, Wanted

START_TIMEOUT_S = 90.0
_OUTER, _INNER = "sc-", "r"
_LONGEST_ROOT_CHARS = 28
BIN = Path(sys.executable).parent
# Ray refuses 127.0.0.1 as a node's address and takes the outward one, and then GCS, raylet and every worker listen on
# all interfaces (`resolve_ip_for_localhost`, ray/_private/services.py). With its support for clusters switched off by
# this variable, as it is on macOS by default, the node is 127.0.0.1 and they listen on loopback only. Watched with
# `ss` on 2.60, this still listens on every interface: HAProxy's statistics and metrics ports (fixed in
# ray/serve/_private/haproxy_templates.py) and one gRPC port of each replica (`[::]:0`,
# ray/serve/_private/replica.py). On an untrusted network a firewall is needed for those.
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
# Ray 2.60 leaves a token in the home of whoever calls `ray.init()` without a cluster, and a head that finds one there
# asks for it (`maybe_enable_token_auth_if_token_available`, ray/_private/authentication/authentication_token_setup.py),
# while what runs in the head does not send it. So the mode is said, not found, to every head that is started here or in
# the tests; who sets RAY_AUTH_MODE has it as set.
NO_TOKEN = {"RAY_AUTH_MODE": "disabled"}
LOCAL = {**LOOPBACK, **NO_TOKEN}
# So that `GET /jobs/{id}/stacks` shows where a job stands. It opens, to whoever reaches the dashboard, looks into every
# process of the node by py-spy and memray (`/worker/traceback`, `/worker/cpu_profile`, `/memory_profile`); here that is
# loopback, where the dashboard runs jobs for whoever asks, anyway.
STACKS = {"RAY_DASHBOARD_ENABLE_PROFILING": "1"}
# Ingress replicas wait this long for load balancers to notice that they leave. Locally the only one is HAProxy, which
# is told within a second; Ray's 30 s would be added to every `make down` and to every change of the ingress.
DRAINING_S = 2


def make_temp_dir() -> Path:
    """A fresh directory for Ray's session. Short, because socket paths below it may have 107 bytes at most: Ray adds 64
    (``/session_<time>_<pid>/sockets/plasma_store``, ray/_private/node.py), the two directories here 14.

    Ray gives its own to everybody (0777, ``try_to_create_directory`` in ray/_private/utils.py), and HAProxy's admin
    socket below it takes commands of any user, so it lies below one that only its owner may enter.
    """
    root = Path(tempfile.gettempdir())
    place = root if len(str(root)) <= _LONGEST_ROOT_CHARS else "/tmp"  # noqa: S108
    inner = Path(tempfile.mkdtemp(prefix=_OUTER, dir=place)) / _INNER
    inner.mkdir(mode=0o700)
    return inner


def find_own_dir(temp_dir: Path) -> Path:
    """The directory that was made for a head whose session is in ``temp_dir``: what is removed with it. That of an
    older version is the same."""
    outer = temp_dir.parent
    return outer if temp_dir.name == _INNER and outer.name.startswith(_OUTER) else temp_dir


def build_command(wanted: Wanted, chosen: ChosenPorts, temp_dir: Path) -> list[str]:
    """`ray start`. Ports given as 0 are picked by the process that binds them, which cannot collide."""
    return [
        str(BIN / "ray"), "start", "--head",
        f"--port={wanted.ray_port}",
        "--dashboard-host=127.0.0.1",
        f"--dashboard-port={wanted.dashboard_port}",
        f"--ray-client-server-port={chosen.ray_client}",
        "--dashboard-agent-listen-port=0",
        "--metrics-export-port=0",
        "--min-worker-port=0",
        "--max-worker-port=0",
        f"--temp-dir={temp_dir}",
        "--disable-usage-stats",
        "--log-style=record",
        "--log-color=false",
    ]  # fmt: skip


def build_environment(
    base: Mapping[str, str],
    flags: Mapping[str, str],
    wanted: Wanted,
    chosen: ChosenPorts,
    temp_dir: Path,
    events_key: str | None,
    secrets_file: Path | None = None,
    named_variables: Collection[str] = (),
) -> dict[str, str]:
    """What the head and all that runs in it inherit. Variables that the user has set win over ``deploy/serve.env``.

    Secrets do not go with them, since every job inherits this: ``secrets_file`` has them, and what webhooks name
    (``named_variables``). ``events_key`` is the secret
    under which Ray's event export reaches the application; without it nothing is exported.
    """
    haproxy = temp_dir / "haproxy"
    ours = {
        MARKER: str(temp_dir),
        get_variable("home"): str(wanted.home),
        # Jobs are started as `python -m …`: that has to be this environment's Python.
        "PATH": f"{BIN}:{base.get('PATH', '/usr/bin:/bin')}",
        "RAY_USAGE_STATS_ENABLED": "0",
        "AUTOSCALER_METRIC_PORT": str(chosen.autoscaler_metrics),
        "DASHBOARD_METRIC_PORT": str(chosen.dashboard_metrics),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(chosen.fallback_http),
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(chosen.fallback_grpc),
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(chosen.replica_http_first),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(chosen.replica_http_first + REPLICA_PORTS - 1),
        "RAY_SERVE_DIRECT_INGRESS_MIN_GRPC_PORT": str(chosen.replica_grpc_first),
        "RAY_SERVE_DIRECT_INGRESS_MAX_GRPC_PORT": str(chosen.replica_grpc_first + REPLICA_PORTS - 1),
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": str(DRAINING_S),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(chosen.haproxy_stats),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(chosen.haproxy_metrics),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(haproxy / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(haproxy / "admin.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(haproxy),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(haproxy / "server-state"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(haproxy / "metrics.sock"),
    }
    if events_key:
        ours[get_variable("events_key")] = events_key
        ours["RAY_DASHBOARD_AGGREGATOR_AGENT_EVENTS_EXPORT_ADDR"] = (
            f"http://127.0.0.1:{wanted.http_port}/events/{events_key}"
        )
    if secrets_file is not None:
        ours[get_variable("secrets_file")] = str(secrets_file)
    left_out = {"RAY_ADDRESS", *map(get_variable, SECRET_FIELDS), *named_variables}
    inherited = {name: value for name, value in base.items() if name not in left_out}
    return {**LOCAL, **STACKS, **flags, **inherited, **ours}


def render_driver_environment(environ: Mapping[str, str], wanted: Wanted) -> str:
    """What a driver needs to join this head by a plain ``ray.init()``: for the hook of this environment's Python
    (deploy/local/driver_hook.py), and for the shells of others.
    """
    names = [name for name in LOCAL if name in environ]
    lines = [f"RAY_ADDRESS=127.0.0.1:{wanted.ray_port}", *(f"{name}={environ[name]}" for name in names)]
    # Where `ray job` and `serve` ask.
    lines += [f"{name}={wanted.dashboard_url}" for name in ("RAY_API_SERVER_ADDRESS", "RAY_DASHBOARD_ADDRESS")]
    return "\n".join(["# set -a; . THIS_FILE; set +a; then run the driver.", *lines, ""])


def build_client_environment(base: Mapping[str, str]) -> dict[str, str]:
    """For the command line tools: no other cluster's address, and no proxy between us and this machine."""
    left_out = {"RAY_ADDRESS", "RAY_DASHBOARD_ADDRESS", "RAY_API_SERVER_ADDRESS"}
    direct = ",".join(filter(None, [base.get("NO_PROXY") or base.get("no_proxy"), "127.0.0.1,localhost"]))
    kept = {name: value for name, value in base.items() if name not in left_out}
    return {**kept, "NO_PROXY": direct, "no_proxy": direct}


def read_flags(path: Path = FLAGS_FILE) -> dict[str, str]:
    """Read ``deploy/serve.env``: lines ``NAME=value`` and comments, as container tools read it too."""
    lines = [line.strip() for line in path.read_text().splitlines()]
    pairs = [line.partition("=") for line in lines if line and not line.startswith("#")]
    return {name.strip(): value.strip() for name, _, value in pairs}


def start(command: list[str], environ: Mapping[str, str], log: Path, tick: Callable[[], None]) -> None:
    """Run `ray start` until it returns; raises ``Failure`` with its last lines.

    In a session of its own: Ctrl-C in this terminal must not reach the head.
    """
    log.touch(mode=0o600)
    with log.open("w") as output:
        process = subprocess.Popen(
            command, env=dict(environ), stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        deadline = time.monotonic() + START_TIMEOUT_S
        while process.poll() is None and time.monotonic() < deadline:
            tick()
            time.sleep(0.2)
    if process.poll() is None:
        process.kill()
        process.wait()
        cause = f"`ray start` did not come to an end within {START_TIMEOUT_S:.0f} s."
    elif process.returncode != 0:
        cause = f"`ray start` failed with exit code {process.returncode}."
    else:
        return
    raise Failure(
        cause, f"Everything it printed is in {log}; try again after mending it.", read_last_lines(log.read_text())
    )
