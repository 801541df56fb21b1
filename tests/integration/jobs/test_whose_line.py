"""Two jobs beside each other, of which one asks for what no node has: only that one is told so, through the API."""

from __future__ import annotations

import httpx

from tests.integration.cluster import Cluster
from tests.integration.jobs.test_diagnosis import ended, kept, python, submit

ASKS = """
import ray
ray.init()
@ray.remote(num_cpus=64)
def big():
    pass
ray.get(big.remote(), timeout=40)
"""
ASKS_GROUP = """
import ray
from ray.util.placement_group import placement_group
ray.init()
group = placement_group([{'CPU': 1, 'fpga': 2}])
ray.get(group.ready(), timeout=40)
"""
WAITS = """
import ray, time
ray.init()
@ray.remote(num_cpus=64)
def big():
    pass
ray.get(big.remote())
"""
HEARS = """
import ray, time
ray.init()
@ray.remote(num_cpus=0.1)
def slow():
    time.sleep(300)
ray.get(slow.remote(), timeout=40)
"""
TOLD = "No available node types can fulfill resource request"
EVERY = (
    "It does not count: Ray writes this line into the log of every driver, and nothing of this job waited in vain for "
)


def test_a_line_is_held_against_what_the_job_asked_for(cluster: Cluster) -> None:
    programs = {"line-asks": ASKS, "line-group": ASKS_GROUP, "line-waits": WAITS, "line-hears": HEARS}
    for id, program in programs.items():
        submit(cluster, id, python(program))
    for id in ("line-asks", "line-group", "line-hears"):
        ended(cluster, id, "failed")
    httpx.post(f"{cluster.dashboard_url}/api/jobs/line-waits/stop", timeout=30)
    ended(cluster, "line-waits", "stopped")

    for id in ("line-asks", "line-group"):
        found = kept(cluster, id)
        assert (found["code"], found["certainty"]) == ("scheduling.infeasible", "certain"), found
        assert TOLD in found["evidence"][0]["quote"]
    assert "'fpga': 2.0" in kept(cluster, "line-group")["evidence"][0]["quote"]

    # Each of them heard what both asked for.
    with cluster.api() as api:
        assert TOLD in api.get("/jobs/line-hears/logs").text
    found = kept(cluster, "line-hears")
    assert found["code"] == "app.get-timeout", found
    others = {each["code"]: each["why_not"] for each in found["candidates"]}
    assert others["scheduling.infeasible"].startswith(EVERY)

    stopped = cluster.get("/jobs/line-waits/diagnosis")["diagnosis"]
    assert [step["code"] for step in stopped["chain"]] == ["app.stopped", "scheduling.infeasible"], stopped
