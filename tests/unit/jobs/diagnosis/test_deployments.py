"""Deployments that do not start or answer: what is gathered of them, and how often."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from serve_app.cluster.private import UnknownRay
from serve_app.errors import Unavailable
from serve_app.jobs.diagnosis.deployments import FRESH_FOR_S, LOG_BYTES, Deployments
from serve_app.jobs.diagnosis.models import Diagnosis, Fields, TextSource
from tests.unit.jobs.diagnosis.fakes import AGENT, FakeEvidence

FOUND = Diagnosis("serve.replica-failed", "a replica does not start", "Its constructor fails.")
FINE = Diagnosis(None, "nothing is wrong", "")


def replica(state: str = "STARTING", **changes: Any) -> dict[str, Any]:
    return {"state": state, "node_id": "n1", "log_file_path": "/serve/replica_app_organ_x1.log", **changes}


class World(FakeEvidence):
    """Serve's account of itself over the evidence, and the engine."""

    def __init__(self, *replicas: dict[str, Any], **changes: Any) -> None:
        super().__init__(**changes)
        organ = {"status": "UNHEALTHY", "message": "It failed 3 times.", "replicas": list(replicas)}
        app = {"status": "DEPLOY_FAILED", "message": "", "deployments": {"organ": organ}}
        self.told: dict[str, Any] = {"applications": {"app": app}}
        self.engine_asked: list[tuple[Fields, list[tuple[str, str, str]]]] = []
        self.found = FOUND
        self.seconds = 0.0
        self.agent: Any = AGENT

    async def get_serve_applications(self) -> dict[str, Any]:
        self._say("serve", None)
        return self.told

    def engine(self, fields: Fields, sources: Sequence[TextSource]) -> Diagnosis:
        texts = [(each.name, str(each.kind), b"".join(each.chunks).decode()) for each in sources]  # type: ignore[arg-type]
        self.engine_asked.append((fields, texts))
        return self.found

    def agent_of(self, node_id: str) -> str | None:
        if isinstance(self.agent, Exception):
            raise self.agent
        return self.agent if isinstance(self.agent, str) else None

    def deployments(self) -> Deployments:
        return Deployments(self, self.agent_of, self.engine, "app", lambda: self.seconds)


STATUS = ("Serve's status of organ", "serve", "UNHEALTHY: It failed 3 times.")


async def test_everything_that_tells_of_a_deployment() -> None:
    ray = World(
        replica("RUNNING", log_file_path="/serve/replica_app_organ_well.log"),
        replica(),
        files={"replica_app_organ_x1.log": b"cut\nboom\n", "replica_app_organ_well.log": b"fine\n"},
        tables={"actors": [{"class_name": "ServeReplica:app:organ", "state": "DEAD", "actor_id": "a", "death_cause": {
            "actor_died_error_context": {"error_message": "killed", "reason": "WORKER_DIED"}}}]},
    )  # fmt: skip
    found = await ray.deployments().diagnose("organ", failed=True)
    assert found is not None
    assert (found["code"], found["unavailable"]) == ("serve.replica-failed", [])
    assert ray.engine_asked == [
        (
            Fields(status="FAILED"),
            [
                STATUS,
                ("actor a", "ray", "killed\nWORKER_DIED"),
                ("replica_app_organ_x1.log", "serve", "cut\nboom\n"),
                ("replica_app_organ_well.log", "serve", "fine\n"),
            ],
        )
    ]


async def test_of_a_long_log_the_last_whole_lines_are_read() -> None:
    log = b"x" * LOG_BYTES + b"\nboom\n"
    ray = World(replica(), files={"replica_app_organ_x1.log": log})
    await ray.deployments().diagnose("organ", failed=False)
    assert ray.engine_asked == [(Fields(), [STATUS, ("replica_app_organ_x1.log", "serve", "boom\n")])]


async def test_it_is_kept_for_some_seconds() -> None:
    ray = World()
    deployments = ray.deployments()
    for seconds, asked in ((0, 1), (FRESH_FOR_S, 1), (FRESH_FOR_S + 1, 2)):
        ray.seconds = seconds
        assert await deployments.diagnose("organ", failed=True) == {**FOUND.render_json()}
        assert len(ray.engine_asked) == asked


@pytest.mark.parametrize("name", ["organ", "none"])
async def test_nothing_to_tell(name: str) -> None:
    ray = World()
    ray.found = FINE
    assert await ray.deployments().diagnose(name, failed=False) is None
    ray.told = {}
    assert await ray.deployments().diagnose("organ", failed=True) is None


@pytest.mark.parametrize(
    ("agent", "fail", "changes", "unavailable"),
    [
        (None, {}, {}, ["replica_app_organ_x1.log: the agent of its node is not known."]),
        (UnknownRay("x"), {}, {}, ["replica_app_organ_x1.log: the agent of its node is not known."]),
        (AGENT, {"piece_of": Unavailable("Gone.")}, {}, ["replica_app_organ_x1.log: Gone."]),
        (AGENT, {"actors": Unavailable("Busy.")}, {}, ["The actor table: Busy."]),
        (AGENT, {}, {"log_file_path": "/serve/../../secret"}, []),
        (AGENT, {}, {"node_id": None}, []),
        (AGENT, {}, {}, []),
    ],
)
async def test_what_cannot_be_had_is_said(agent: Any, fail: Any, changes: Any, unavailable: list[str]) -> None:
    ray = World(replica(**changes), fail=fail)
    ray.agent = agent
    found = await ray.deployments().diagnose("organ", failed=True)
    assert found is not None
    assert found["unavailable"] == unavailable
    assert ray.engine_asked == [(Fields(status="FAILED"), [STATUS])]
