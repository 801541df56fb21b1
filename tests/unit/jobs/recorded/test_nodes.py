"""A worker node that dies with everything on it, replayed at four moments: what is judged of each job then.

Killed were the node's raylet and all that it had started, at once. Ray declared the node dead 15 s later.
"""

from __future__ import annotations

import pytest

from serve_app.jobs.judging.judge import judge
from serve_app.jobs.models import JobRow
from serve_app.jobs.reading.snapshot import collect
from tests.unit.jobs.recordings import DIRECTORY, Replay, answer, answers, rows, taken_at

AS_IF_NOTHING_WAS = {
    # case: Ray's word, outcome, verdict, rule of the verdict, rule of the outcome
    "away-driver": ("RUNNING", "running", "OK", "running", "running"),
    "away-driver-in-submission": ("RUNNING", "running", "OK", "running", "running"),
    "away-no-ray": ("RUNNING", "running", "OK", "running", "running"),
    "coa-away": ("RUNNING", "running", "OK", "running", "running"),
    "away-done": ("SUCCEEDED", "succeeded", "OK", "succeeded", "exit-code-0"),
    # Both of its actors are on the other node.
    "head-driver-with-actors-away": ("RUNNING", "running", "OK", "running", "running"),
    "head-submission": ("RUNNING", "running", "OK", "running", "running"),
    "01000000": ("RUNNING", "running", "OK", "running", "running"),
    "worker node": ("RUNNING", "running", "OK", "worker-up", "node-table"),
    "head": ("SUCCEEDED", "succeeded", "OK", "head-started", "node-table"),
}
NODE_DEAD = AS_IF_NOTHING_WAS | {
    # Ray closes the job of a plain driver with the node, and its word for that is SUCCEEDED.
    "away-driver": ("SUCCEEDED", "lost", "BAD", "failed", "node-dead"),
    # Of submissions it says RUNNING for one to three seconds more, until the job manager misses their supervisors.
    "away-driver-in-submission": ("RUNNING", "lost", "BAD", "failed", "node-dead"),
    "away-no-ray": ("RUNNING", "lost", "BAD", "failed", "node-dead"),
    "coa-away": ("RUNNING", "lost", "BAD", "initialization-failed", "node-dead"),
    "worker node": ("DEAD", "lost", "WARN", "worker-died", "node-table"),
}
EVERY_VERDICT = {
    "two-nodes-before": AS_IF_NOTHING_WAS,
    "two-nodes-2s": AS_IF_NOTHING_WAS,
    "two-nodes-dead": NODE_DEAD,
    "two-nodes-settled": NODE_DEAD
    | {case: ("FAILED", *NODE_DEAD[case][1:]) for case in ("away-driver-in-submission", "away-no-ray", "coa-away")},
}


def case_of(row: JobRow) -> str:
    if row.derived:
        return "worker node" if row.kind == "worker-node" else "head"
    return row.metadata.get("case", row.id)


@pytest.mark.parametrize("moment", EVERY_VERDICT)
async def test_every_job_at_each_moment(moment: str) -> None:
    now = taken_at(DIRECTORY / moment)
    found = judge(await collect(Replay(**answers(DIRECTORY / moment)), now), now)
    judged = {case_of(row): (row.status, row.outcome, row.verdict, row.rule, row.evidence[1].rule) for row in found}
    assert judged == EVERY_VERDICT[moment]
    assert len(found) == len(judged)


def test_the_worker_table_never_learns_of_drivers_that_died_with_their_node() -> None:
    settled = DIRECTORY / "two-nodes-settled"
    away = {row["node_id"] for row in rows("nodes", settled) if row["state"] == "DEAD"}
    alive = {row["worker_id"][:8] for row in rows("drivers", settled) if row["is_alive"] and row["node_id"] in away}
    cases = {row["job_id"]: row["metadata"]["case"] for row in answer("jobs", settled)}
    assert {cases[job_id] for job_id in alive} == {"away-driver", "away-driver-in-submission"}


def test_an_actor_that_waits_for_another_node_is_restarting_and_keeps_its_old_node() -> None:
    settled = DIRECTORY / "two-nodes-settled"
    away = {row["node_id"] for row in rows("nodes", settled) if row["state"] == "DEAD"}
    found = {row["name"]: (row["state"], row["node_id"] in away) for row in rows("actors", settled)}
    assert (found["Mortal"], found["Restarts"]) == (("DEAD", True), ("RESTARTING", True))
    # Ray's list of what waits to be created does not have it; its demand for resources does.
    assert rows("pending_actors", settled) == []
    report = answer("cluster_status", settled)["data"]["clusterStatus"]["loadMetricsReport"]
    assert report["resourceDemand"] == [[{"away": 0.1}, 1]]


def test_asking_for_serve_where_there_is_none_made_a_hidden_driver() -> None:
    def drivers(moment: str) -> set[str]:
        return {row["worker_id"][:8] for row in rows("drivers", DIRECTORY / moment)}

    assert drivers("two-nodes-2s") - drivers("two-nodes-before") == {"06000000"}
    assert "06000000" not in {row["job_id"] for row in answer("jobs", DIRECTORY / "two-nodes-settled")}
