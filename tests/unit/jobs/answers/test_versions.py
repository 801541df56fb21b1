"""Which code each replica runs: what they say beside what Serve says of them."""

from __future__ import annotations

from typing import Any

import pytest

from organs.version import ReplicaVersion
from serve_app.jobs.answers.versions import FRESH_FOR_S, Versions
from serve_app.jobs.serve_facts import ApplicationFacts, DeploymentFacts, ReplicaFacts, ServeFacts


def deployment(name: str, **states: str) -> DeploymentFacts:
    replicas = tuple(ReplicaFacts(id, state, None, None) for id, state in states.items())
    return DeploymentFacts(name, "HEALTHY", "", 1, replicas)


def serve(*deployments: DeploymentFacts) -> ServeFacts:
    others = ApplicationFacts("other", "RUNNING", "", (deployment("Theirs", z="RUNNING"),))
    return ServeFacts("c", (ApplicationFacts("seedcore", "RUNNING", "", deployments), others))


class Replicas:
    """What the replicas of each deployment answer."""

    def __init__(self, **versions: dict[str, str]) -> None:
        self.versions = versions
        self.asked: list[str] = []

    async def ask(self, name: str) -> list[ReplicaVersion]:
        self.asked.append(name)
        told = self.versions.get(name, {})
        return [{"replica_id": id, "code_version": version} for id, version in told.items()]


def row(deployment: str, replica_id: str, state: str, code_version: str | None) -> dict[str, Any]:
    return {"deployment": deployment, "replica_id": replica_id, "state": state, "code_version": code_version}


@pytest.mark.parametrize(
    ("facts", "replicas", "mixed", "rows"),
    [
        pytest.param(
            serve(deployment("A", a="RUNNING"), deployment("B", b="RUNNING", c="RUNNING")),
            Replicas(A={"a": "new"}, B={"b": "new", "c": "new"}),
            False,
            [row("A", "a", "RUNNING", "new"), row("B", "b", "RUNNING", "new"), row("B", "c", "RUNNING", "new")],
            id="all run what was deployed",
        ),
        pytest.param(
            serve(deployment("A", a="RUNNING", b="RUNNING")),
            Replicas(A={"a": "old", "b": "new"}),
            True,
            [row("A", "a", "RUNNING", "old"), row("A", "b", "RUNNING", "new")],
            id="one runs other code",
        ),
        pytest.param(
            serve(deployment("A", a="RUNNING", b="RUNNING")),
            Replicas(A={"b": "new"}),
            None,
            [row("A", "a", "RUNNING", None), row("A", "b", "RUNNING", "new")],
            id="one is too old to know the question, or does not answer",
        ),
        pytest.param(
            serve(deployment("A", a="RUNNING", b="RUNNING", c="RUNNING")),
            Replicas(A={"b": "old"}),
            True,
            [row("A", "a", "RUNNING", None), row("A", "b", "RUNNING", "old"), row("A", "c", "RUNNING", None)],
            id="some do not answer, and one runs other code",
        ),
        pytest.param(
            serve(deployment("A", a="STOPPING", b="RUNNING", c="STARTING")),
            Replicas(A={"b": "new"}),
            False,
            [row("A", "a", "STOPPING", None), row("A", "b", "RUNNING", "new"), row("A", "c", "STARTING", None)],
            id="those that start or end are not asked",
        ),
        pytest.param(
            serve(deployment("A", a="RUNNING")),
            Replicas(A={"b": "new", "a": "new"}),
            False,
            [row("A", "a", "RUNNING", "new"), row("A", "b", "RUNNING", "new")],
            id="one is younger than what Serve was last seen to say",
        ),
        pytest.param(serve(), Replicas(), None, [], id="nothing runs"),
        pytest.param(None, Replicas(), None, [], id="Serve does not say"),
    ],
)
async def test_versions(
    facts: ServeFacts | None, replicas: Replicas, mixed: bool | None, rows: list[dict[str, Any]]
) -> None:
    versions = Versions("new", "seedcore", replicas.ask)
    assert await versions.tell(facts) == {"expected": "new", "mixed": mixed, "replicas": rows}
    assert "Theirs" not in replicas.asked


async def test_many_callers_make_one_question() -> None:
    clock, replicas = [100.0], Replicas(A={"a": "new"})
    versions = Versions("new", "seedcore", replicas.ask, lambda: clock[0])
    facts = serve(deployment("A", a="RUNNING"))
    for at, asked in [(100.0, 1), (100.0 + FRESH_FOR_S, 1), (100.1 + FRESH_FOR_S, 2)]:
        clock[0] = at
        await versions.tell(facts)
        assert len(replicas.asked) == asked
