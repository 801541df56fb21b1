"""``single-node``: one head with Serve; submissions and drivers that end, wait and are cut off in every way we know.

Before them, ``fresh-head``: what a node's agent says of its use when it has hardly begun to measure.
"""

from __future__ import annotations

import json
import sys
import time
from functools import partial

from tests.record.answers import record_answers, record_node_use
from tests.record.cluster import Cluster
from tests.record.nodes import head, wait

HELLO = """
from ray import serve

@serve.deployment(num_replicas=2, ray_actor_options={"num_cpus": 0})
class Hello:
    async def __call__(self, request):
        return "hello"

app = Hello.bind()
"""
# Ray's own way to extend runtime environments: takes as long as it is told, or fails, and needs no network.
ENVIRONMENT = """
import asyncio

from ray._private.runtime_env.plugin import RuntimeEnvPlugin

class Recorded(RuntimeEnvPlugin):
    name = "recorded"

    @staticmethod
    def validate(runtime_env):
        return runtime_env.get("recorded")

    async def create(self, uri, runtime_env, context, logger):
        if runtime_env["recorded"] == "broken":
            raise RuntimeError("there is no such package: widgets==9")
        await asyncio.sleep(600)
        return 0
"""
PLUGINS = {"RAY_RUNTIME_ENV_PLUGINS": json.dumps([{"class": "recorded_environment.Recorded"}])}
INITIALIZATION = {"seedcore.kind": "coa-initialization"}
DRIVERS = {
    "driver-ok": "ray.get(ray.remote(num_cpus=0)(lambda: 1).remote())",
    "driver-exit-3": "raise SystemExit(3)",
    "driver-exception": "{}['no such key']",
    "driver-task-exception": "ray.get(ray.remote(num_cpus=0, max_retries=0)(lambda: 1 / 0).remote())",
    # Half of its tasks failed, nobody asked for their results, and it ends in order.
    "driver-tasks-failed": (
        "ray.wait([ray.remote(num_cpus=0, max_retries=0)(lambda n=n: 1 // n).remote() for n in (0, 0, 1, 1)],"
        " num_returns=4)"
    ),
    "driver-os-exit": "os._exit(1)",
    "driver-kill-9": "os.kill(os.getpid(), 9)",
    "driver-sigterm": "os.kill(os.getpid(), 15); time.sleep(60)",
    "driver-leftover": (
        "kept = ray.remote(num_cpus=0)(type('Leftover', (), {'at': lambda self: 1}))"
        ".options(name='leftover', namespace='left', lifetime='detached').remote(); ray.get(kept.at.remote())"
    ),
}
ENDED = ("SUCCEEDED", "FAILED", "STOPPED")


def record() -> None:
    """Record the scenario."""
    with head(PLUGINS, {"recorded_hello.py": HELLO, "recorded_environment.py": ENVIRONMENT}) as cluster:
        _deploy(cluster)
        record_node_use("fresh-head", cluster)
        _submit_what_ends(cluster)
        for case, code in DRIVERS.items():
            cluster.driver(case, code)
        _client(cluster)
        prompt = f"{cluster.code('driver-prompt', '')}\n1 / 0\nexit()\n"
        print("driver-prompt", cluster.run([sys.executable, "-i"], prompt).returncode)
        _cut_off(cluster)
        _succeed_later(cluster)
        _start_what_lasts(cluster)
        record_answers("single-node", cluster)


def _deploy(cluster: Cluster) -> None:
    """What `serve deploy` does: PUT a configuration, wait until it runs."""
    config = {
        "http_options": {"host": "127.0.0.1", "port": cluster.ports["http"]},
        "proxy_location": "HeadOnly",
        "applications": [{"name": "hello", "route_prefix": "/", "import_path": "recorded_hello:app"}],
    }
    path = "/api/serve/applications/"
    cluster.api.put(path, json=config).raise_for_status()
    wait(lambda: cluster.get(path)["applications"]["hello"]["status"] == "RUNNING", "hello to run")


def _submit_what_ends(cluster: Cluster) -> None:
    cluster.submit("submission-ok", cluster.python("submission-ok", "1"), {"note": "nightly"})
    cluster.submit(
        "submission-secret",
        f"PASSWORD=hunter2 {sys.executable} -c 'print(1)' --token abcdefgh12345678",
        {"api_key": "canary-key-1"},
    )
    cluster.submit("submission-no-ray", f"{sys.executable} -c 'import sys; sys.exit(\"no configuration\")'")
    cluster.submit("submission-exit-3", cluster.python("submission-exit-3", "raise SystemExit(3)"))
    cluster.submit("submission-exception", cluster.python("submission-exception", "{}['no such key']"))
    cluster.submit("submission-killed", cluster.python("submission-killed", "os.kill(os.getpid(), 9)"))
    cluster.submit("submission-env-broken", "sleep 600", runtime_env={"recorded": "broken"})
    cluster.submit("coa-failed", f"{sys.executable} -c 'raise SystemExit(1)'", INITIALIZATION)
    cluster.submit("attempt-1", "exit 1", {"job_name": "nightly-report", "attempt": "1"})
    cluster.submit("submission-stopped", "sleep 600")
    ignore = "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    cluster.submit("submission-ignores-stop", cluster.python("submission-ignores-stop", ignore))


def _client(cluster: Cluster) -> None:
    """A look at the cluster through a Ray client. It takes no job configuration, so the row has no case."""
    code = f"import ray; ray.init('ray://127.0.0.1:{cluster.ports['client']}'); print(ray.cluster_resources())"
    cluster.run([sys.executable, "-c", code]).check_returncode()


def _cut_off(cluster: Cluster) -> None:
    """Stop submissions, and kill the supervisors of others: Ray kills the entrypoint's process group for one of them.

    The other's driver has left that group, and lives on.
    """
    cluster.submit("supervisor-killed", cluster.python("supervisor-killed", "time.sleep(600)"))
    outlives = cluster.python("supervisor-killed-driver-alive", "time.sleep(600)")
    cluster.submit("supervisor-killed-driver-alive", f"setsid --wait {outlives}")
    for case in ("submission-ignores-stop", "supervisor-killed", "supervisor-killed-driver-alive"):
        wait(partial(cluster.has_driver, case), f"the driver of {case}")
    cluster.stop("submission-stopped")
    cluster.stop("submission-ignores-stop")
    for case in ("supervisor-killed", "supervisor-killed-driver-alive"):
        process = cluster.supervisor(case)
        assert process is not None
        process.kill()
        print(case, "is FAILED after", wait(partial(cluster.has_status, case, *ENDED), case), "s")
    ending = [row["submission_id"] for row in cluster.jobs() if row["submission_id"]]
    wait(lambda: all(cluster.status(case) in ENDED for case in ending), "submissions to end")


def _succeed_later(cluster: Cluster) -> None:
    """Submissions that make good what failed before, and a server that should not have ended."""
    cluster.submit("coa-succeeded", f"{sys.executable} -c pass", INITIALIZATION)
    cluster.submit("attempt-2", "exit 0", {"job_name": "nightly-report", "attempt": "2"})
    cluster.submit("server-succeeded", "exit 0", {"seedcore.kind": "application-server", "job_name": "gateway"})
    for case in ("coa-succeeded", "attempt-2", "server-succeeded"):
        wait(partial(cluster.has_status, case, "SUCCEEDED"), case)


def _start_what_lasts(cluster: Cluster) -> None:
    """What runs and what waits at the moment of the recording; one submission has all CPUs."""
    holder = "kept = ray.remote(num_cpus=0)(type('Holder', (), {})).options(name='holder').remote(); time.sleep(600)"
    cluster.spawn("driver-running", holder)
    waits = "waiting = ray.remote(num_cpus=1000)(type('Waiting', (), {})).remote(); time.sleep(600)"
    cluster.spawn("driver-actor-waits", waits)
    cluster.submit("submission-running", "sleep 600", entrypoint_num_cpus=2)
    cluster.submit("coa-running", "sleep 600", INITIALIZATION)
    wait(lambda: cluster.status("submission-running") == "RUNNING", "all CPUs to be busy")
    wait(lambda: cluster.status("coa-running") == "RUNNING", "an initialization to run")
    cluster.submit("pending-busy", "exit 0", entrypoint_num_cpus=1)
    cluster.submit("pending-cpus-1000", "exit 0", entrypoint_num_cpus=1000)
    cluster.submit("pending-no-such-resource", "exit 0", entrypoint_resources={"unobtainium": 1})
    cluster.submit("pending-environment", "exit 0", runtime_env={"recorded": "slow"})
    cluster.submit("coa-pending", "exit 0", INITIALIZATION, entrypoint_num_cpus=1)
    wait(lambda: any(row["name"] == "holder" for row in cluster.list_rows("actors")), "the last driver")
    wait(lambda: cluster.find("driver-actor-waits"), "the driver whose actor waits")
    # The worker table is written after the job table, and a demand is reported a few seconds after it arose.
    time.sleep(8)
