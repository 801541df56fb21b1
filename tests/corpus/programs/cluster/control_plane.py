"""The control plane is away: the GCS killed or restarted empty, and the dashboard's agent gone."""

from __future__ import annotations

import contextlib
import subprocess
import time

from tests.corpus.program import Program
from tests.corpus.scenes import QUICK, command, cut_off, head_process, ray
from tests.record.cluster import Cluster
from tests.record.nodes import head, wait

SHORT = {"RAY_gcs_rpc_server_reconnect_timeout_s": "15", "RAY_gcs_rpc_server_connect_timeout_s": "5"}
ROUNDS = """import time

import ray

ray.init()


@ray.remote
def evaluate(checkpoint):
    time.sleep(1)
    return checkpoint


for checkpoint in range(300):
    done = ray.get(evaluate.options(name=f"evaluate-{checkpoint}").remote(checkpoint))
    print("checkpoint", done, flush=True)
    ray.cluster_resources()
"""
SLEEPS = "import time\n\nimport ray\n\nray.init()\nprint('waiting for data', flush=True)\ntime.sleep(600)\n"


def _short() -> contextlib.AbstractContextManager[Cluster]:
    """A head whose processes give the GCS up after 15 s instead of a minute."""
    return head(SHORT)


def _kill_gcs(cluster: Cluster, submission_id: str) -> None:
    head_process(cluster, "gcs_server").kill()


def _restart_gcs(cluster: Cluster, submission_id: str) -> None:
    """The same GCS at the same port, with nothing of what it knew."""
    process = head_process(cluster, "gcs_server")
    line, env = process.cmdline(), process.environ()
    process.kill()
    time.sleep(2)
    with (cluster.directory / "t/session_latest/logs/gcs_server.err").open("ab") as log:
        subprocess.Popen(line, env=env, cwd=cluster.directory, stdout=log, stderr=log)


def _submit_without_agent(cluster: Cluster) -> list[str]:
    """The raylet, and with it the only agent, is gone; then somebody submits."""
    head_process(cluster, "raylet").kill()
    time.sleep(3)
    return _submission(cluster)


def _submit_to_a_dead_node(cluster: Cluster) -> list[str]:
    """The same, when Ray knows by now that the node is dead."""
    head_process(cluster, "raylet").kill()
    wait(lambda: cluster.list("nodes")[0]["state"] == "DEAD", "the node to be declared dead", 60)
    time.sleep(8)
    return _submission(cluster)


def _submission(cluster: Cluster) -> list[str]:
    return ray("job", "submit", f"--address={cluster.api.base_url}", "--", "python", "main.py")


PROGRAMS = (
    Program(
        id="m-gcs-killed",
        title="The GCS is killed under a job and does not come back",
        primary="gcs.unreachable",
        why="The GCS was killed; driver, raylet and workers could not reach it any more and gave up.",
        evidence="GCS",
        head=lambda: _short(),
        ends=("RUNNING",),
        play=cut_off("checkpoint 2", 35, _kill_gcs),
        source_code=ROUNDS,
    ),
    Program(
        id="m-gcs-killed-waiting",
        title="The GCS is killed under a driver that only waits",
        primary="gcs.unreachable",
        acceptable=("raylet.crashed",),
        why="The GCS was killed; the driver does nothing but sleep, and ends with the raylet that gave the GCS up.",
        evidence="GCS",
        head=lambda: _short(),
        ends=("RUNNING",),
        play=cut_off("waiting for data", 35, _kill_gcs),
        source_code=SLEEPS,
    ),
    Program(
        id="m-gcs-restarted-empty",
        title="The GCS is killed and restarted without its state, under a job",
        primary="gcs.state-lost",
        acceptable=("gcs.unreachable",),
        why="The GCS kept its state in memory only; restarted, it knows neither the node nor the job.",
        evidence="luster ID",
        head=lambda: _short(),
        ends=("RUNNING",),
        play=cut_off("checkpoint 2", 35, _restart_gcs),
        source_code=ROUNDS,
    ),
    Program(
        id="m-no-agent",
        title="A submission to a cluster whose only agent is gone",
        primary="job.no-agent",
        acceptable=("raylet.crashed",),
        why="The raylet of the only node, and with it the agent that takes jobs, had been killed.",
        evidence="Cannot connect to host",
        head=lambda: head(),
        ends=(None,),
        play=command(_submit_without_agent),
        source_code="print('never run')\n",
    ),
    Program(
        id="m-no-agent-node-dead",
        title="A submission to a cluster whose only node is dead",
        primary="job.no-agent",
        acceptable=("node.died", "raylet.crashed"),
        why="The only node had been declared dead, so that no agent was left that takes jobs.",
        evidence="No available agent",
        head=lambda: head(QUICK),
        ends=(None,),
        play=command(_submit_to_a_dead_node),
        source_code="print('never run')\n",
    ),
    Program(
        id="m-gcs-restarted-waiting",
        title="The GCS is killed and restarted without its state, under a driver that only waits",
        primary="gcs.state-lost",
        acceptable=("gcs.unreachable",),
        why="The GCS kept its state in memory only; restarted, it knows neither the node nor the job.",
        evidence="luster ID",
        head=lambda: _short(),
        ends=("RUNNING",),
        play=cut_off("waiting for data", 35, _restart_gcs),
        source_code=SLEEPS,
    ),
)
