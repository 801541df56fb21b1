"""A cluster that lets nobody in: no token, a port in use, a client cut off."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable

import psutil

from tests.corpus.program import Program
from tests.corpus.scenes import command, kill_processes, no_cluster, ray, wait_told
from tests.record.cluster import Cluster
from tests.record.nodes import head

# Only ever given to clusters that are started to be recorded.
TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0"}
INIT = "import ray\n\nray.init()\nprint(ray.cluster_resources())\n"
CLIENT = """import os
import time

import ray

ray.init("ray://" + os.environ["CLIENT_ADDRESS"])


@ray.remote
def part(number):
    return number


for number in range(300):
    print("part", ray.get(part.remote(number)), flush=True)
    time.sleep(0.5)
"""
TAKEN = """import http.server
import socket

import ray

ray.init()
other = socket.socket()
other.bind(("127.0.0.1", 0))
other.listen()
"""


def _guarded() -> contextlib.AbstractContextManager[Cluster]:
    """A head that lets nobody in without its token."""
    return head(TOKEN)


def _taken(line: Callable[[int], list[str]]) -> Callable[[Cluster], list[str]]:
    """A command with a port that this process has taken."""

    def taken(cluster: Cluster) -> list[str]:
        held = socket.socket()
        held.bind(("0.0.0.0", 0))
        held.listen()
        _HELD.append(held)
        return line(held.getsockname()[1])

    return taken


def _kill_client_servers(cluster: Cluster, submission_id: str) -> None:
    wait_told(cluster, submission_id, "part 4")
    port = str(cluster.ports["client"])
    proxies = [each for each in psutil.process_iter(["cmdline"]) if _serves_clients(each, port)]
    kill_processes([child for each in proxies for child in each.children(recursive=True)] + proxies)
    time.sleep(1)


def _serves_clients(process: psutil.Process, port: str) -> bool:
    line = " ".join(process.info["cmdline"] or [])
    return "ray.util.client.server" in line and f"--port={port}" in line


_HELD: list[socket.socket] = []

PROGRAMS = (
    Program(
        id="m-port-ray-start",
        title="ray start --head at a port that is in use",
        primary="network.port-conflict",
        why="Another process listens at the port that the GCS was given.",
        evidence="Failed to start the grpc server",
        head=no_cluster,
        ends=(None,),
        play=command(_taken(lambda port: ray("start", "--head", f"--port={port}", "--include-dashboard=false"))),
    ),
    Program(
        id="m-port-driver",
        title="A driver that serves HTTP at a port that is in use",
        primary="network.port-conflict",
        acceptable=("app.exception",),
        why="The program binds a port that it holds already with another socket.",
        evidence="Address already in use",
        source_code=TAKEN
        + "print('dashboard of the run')\n"
        + "http.server.HTTPServer(other.getsockname(), http.server.SimpleHTTPRequestHandler).serve_forever()\n",
    ),
    Program(
        id="m-port-actor",
        title="An actor whose constructor binds a port that is in use",
        primary="network.port-conflict",
        acceptable=("app.actor-init-failed",),
        why="The actor's constructor binds a port that the driver holds.",
        evidence="Address already in use",
        source_code=TAKEN
        + """

@ray.remote(num_cpus=0)
class Rendezvous:
    def __init__(self, port):
        self.socket = socket.create_server(("127.0.0.1", port))

    def ready(self):
        return True


print(ray.get(Rendezvous.remote(other.getsockname()[1]).ready.remote()))
""",
    ),
    Program(
        id="m-token-missing",
        title="A driver without a token, at a cluster that wants one",
        primary="cluster.auth",
        why="The cluster has token authentication; the driver's environment has no token.",
        evidence="token",
        head=_guarded,
        entrypoint="env -u RAY_AUTH_TOKEN RAY_AUTH_TOKEN_PATH=/home/user/none HOME=/none python main.py",
        source_code=INIT,
    ),
    Program(
        id="m-token-mode-missing",
        title="A driver that knows nothing of tokens, at a cluster that wants one",
        primary="cluster.auth",
        acceptable=("gcs.unreachable",),
        why="The cluster has token authentication; the driver's environment has neither the mode nor a token.",
        evidence="InvalidAuthToken",
        head=_guarded,
        entrypoint="env -u RAY_AUTH_TOKEN -u RAY_AUTH_MODE RAY_NUM_REDIS_GET_RETRIES=2 HOME=/none python main.py",
        source_code=INIT,
        timeout_s=100,
    ),
    Program(
        id="m-token-wrong",
        title="A driver with the token of another cluster",
        primary="cluster.auth",
        why="The token in the driver's environment is not the cluster's.",
        evidence="InvalidAuthToken",
        head=_guarded,
        entrypoint=f"env RAY_NUM_REDIS_GET_RETRIES=2 RAY_AUTH_TOKEN={'ab' * 32} python main.py",
        source_code=INIT,
        timeout_s=100,
    ),
    Program(
        id="m-client-lost",
        title="A Ray Client that loses its server",
        primary="client.disconnected",
        why="The server of Ray Client was killed while the program used it, and did not come back.",
        evidence="onnect",
        head=lambda: head(),
        during=_kill_client_servers,
        entrypoint="CLIENT_ADDRESS=127.0.0.1:$CLIENT_PORT python main.py",
        source_code=CLIENT,
        runtime_env={"env_vars": {"RAY_CLIENT_RECONNECT_GRACE_PERIOD": "5"}},
        timeout_s=240,
    ),
)
