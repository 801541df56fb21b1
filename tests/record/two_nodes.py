"""``two-nodes-…``: a head and a worker node that dies with everything on it.

Recorded while it lives (``before``), two seconds after its processes were killed (``2s``), when Ray has declared it
dead (``dead``), and 15 s after that (``settled``). Both nodes are on one machine, under two loopback addresses.
"""

from __future__ import annotations

import contextlib
import time
from functools import partial

import psutil

from tests.record.answers import record_answers
from tests.record.cluster import Cluster
from tests.record.nodes import add_node, head, node_processes, wait

WORKER_IP = "127.0.0.2"
AWAY = {"away": 0.1}
ACTOR = (
    "{name} = ray.remote(num_cpus=0, resources={{'away': 0.1}}{more})"
    "(type({name!r}, (), {{'at': lambda self: 1}})).options(name={name!r}{detached}).remote(); "
    "ray.get({name}.at.remote()); "
)


def record() -> None:
    """Record the scenario."""
    with head() as cluster:
        add_node(cluster, WORKER_IP, {"away": 1})
        drivers = _start(cluster)
        time.sleep(5)
        record_answers("two-nodes-before", cluster)
        killed = _kill_node(cluster, drivers)
        print("killed", len(killed), "processes")
        time.sleep(2)
        record_answers("two-nodes-2s", cluster)
        print("declared dead after", 2 + wait(lambda: _is_dead(cluster), "the node to be declared dead"), "s")
        record_answers("two-nodes-dead", cluster)
        time.sleep(15)
        record_answers("two-nodes-settled", cluster)


def _start(cluster: Cluster) -> list[psutil.Process]:
    """Every case on the worker node, and two on the head that depend on it; returns the drivers that Ray did not start.

    A driver connects to the head's raylet when that is on its machine, so these are told which node they are on.
    """
    there = {"_node_ip_address": WORKER_IP}
    lasts = "time.sleep(600)"
    done = cluster.python("away-done", "1", **there)
    cluster.submit("away-done", done, entrypoint_resources=AWAY)
    cluster.submit(
        "away-driver-in-submission",
        cluster.python("away-driver-in-submission", lasts, **there),
        entrypoint_resources=AWAY,
    )
    cluster.submit("away-no-ray", "sleep 600", entrypoint_resources=AWAY)
    cluster.submit("coa-away", "sleep 600", {"seedcore.kind": "coa-initialization"}, entrypoint_resources=AWAY)
    cluster.submit("head-submission", "sleep 600")
    mortal = ACTOR.format(name="Mortal", more="", detached="")
    restarts = ACTOR.format(
        name="Restarts", more=", max_restarts=-1", detached=", lifetime='detached', namespace='left'"
    )
    drivers = [
        cluster.spawn("away-driver", lasts, **there),
        cluster.spawn("head-driver-with-actors-away", mortal + restarts + lasts),
    ]
    for case in ("away-driver-in-submission", "away-driver"):
        wait(partial(cluster.has_driver, case), case)
    for case in ("away-no-ray", "coa-away", "head-submission"):
        wait(partial(cluster.has_status, case, "RUNNING"), case)
    wait(lambda: cluster.status("away-done") == "SUCCEEDED", "away-done")
    wait(lambda: {"Mortal", "Restarts"} <= _list_alive_actors(cluster), "the actors")
    return [psutil.Process(drivers[0].pid)]


def _list_alive_actors(cluster: Cluster) -> set[str]:
    return {row["name"] for row in cluster.list_rows("actors") if row["state"] == "ALIVE"}


def _kill_node(cluster: Cluster, drivers: list[psutil.Process]) -> list[psutil.Process]:
    """Kill everything on the worker node at once, as when its machine loses power."""
    processes = [*node_processes(cluster, WORKER_IP), *drivers]
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    return processes


def _is_dead(cluster: Cluster) -> bool:
    return any(row["node_ip"] == WORKER_IP and row["state"] == "DEAD" for row in cluster.list_rows("nodes"))
