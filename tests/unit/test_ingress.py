"""Tasks on their way to an organ: how often they are given, how long they may take, and who is to blame."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import RayActorError

from organs.models import OrganSpec, TaskMessage
from serve_app import ingress
from serve_app.errors import AppError, ReplicaLost, Unavailable
from serve_app.ingress import HandleOrgans
from tests.unit.cluster.wires import Handle

REPLY = {"agent_id": "an_agent"}
LOST = RayActorError()


class Organ:
    """The handle of an organ; ``says`` is what comes of each task in turn, None is silence."""

    deployment_name = "an_organ"

    def __init__(self, *says: Any, agents: int = 1) -> None:
        self.says = list(says)
        self.agents = agents
        self.given: list[TaskMessage] = []
        self.execute = SimpleNamespace(remote=self._take)

    def broadcast(self, name: str) -> Any:
        agent = SimpleNamespace(get_async=lambda: asyncio.sleep(0, {"ok": True}))
        return SimpleNamespace(_fetch_replica_results_async=lambda: asyncio.sleep(0, [agent] * self.agents))

    def _take(self, task: TaskMessage) -> Handle:
        self.given.append(task)
        answer = self.says.pop(0)

        async def arrive() -> Any:
            if answer is None:
                await asyncio.Event().wait()
            if isinstance(answer, Exception):
                raise answer
            return answer

        return Handle(arrive)


def task(kind: str, timeout_s: float = 60.0) -> TaskMessage:
    return {"type": kind, "description": "", "parameters": {}, "task_id": "1", "timeout_s": timeout_s}


class Organism:
    """The manager: what it saw of the organ, or that it cannot say."""

    def __init__(self, seen: dict[str, str] | AppError | None = None) -> None:
        self.seen = seen

    async def status(self) -> Any:
        if isinstance(self.seen, AppError):
            raise self.seen
        if self.seen is None:
            await asyncio.Event().wait()
        return {"organs": [{"organ_id": "other", "status": "ready", "message": ""}, self.seen]}


def organs(organ: Organ, organism: Organism | None = None) -> HandleOrgans:
    handles: Any = {"an_organ": organ}
    asked: Any = organism or Organism(Unavailable("Gone."))
    return HandleOrgans((OrganSpec(id="an_organ", type="Utility"),), handles, asked)


@pytest.mark.parametrize("kind", ["test_task", "cluster.nodes"])
async def test_a_lost_task_is_given_again_where_it_only_looks(kind: str) -> None:
    organ = Organ(LOST, REPLY)
    assert await organs(organ).execute("an_organ", task(kind)) == REPLY
    assert organ.given == [task(kind), task(kind)]


@pytest.mark.parametrize("kind", ["of.a.user"])
async def test_a_task_that_may_change_something_is_given_once(kind: str) -> None:
    organ = Organ(LOST, REPLY)
    with pytest.raises(ReplicaLost):
        await organs(organ).execute("an_organ", task(kind))
    assert organ.given == [task(kind)]


@pytest.mark.parametrize(
    ("agents", "status", "code", "detail"),
    [
        (1, 504, "deadline_exceeded", "an_organ did not answer within 0.01 s."),
        (0, 503, "organ_unavailable", "an_organ has no agent that answers; Serve is replacing it."),
    ],
)
async def test_after_the_task_s_own_deadline_the_agents_are_asked(
    agents: int, status: int, code: str, detail: str
) -> None:
    with pytest.raises(AppError) as raised:
        await organs(Organ(None, agents=agents)).execute("an_organ", task("test_task", 0.01))
    assert (raised.value.status, raised.value.code, raised.value.detail) == (status, code, detail)


NEEDS = "an_organ needs 64 CPU for each replica; the most that a node has is 2."
REPLACED = "an_organ has no agent that answers; Serve is replacing it."


@pytest.mark.parametrize(
    ("seen", "detail"),
    [
        ({"organ_id": "an_organ", "status": "unplaceable", "message": NEEDS}, NEEDS),
        (
            {"organ_id": "an_organ", "status": "waking", "message": "It wakes; tasks wait for it."},
            "an_organ has no agent yet: It wakes; tasks wait for it.",
        ),
        ({"organ_id": "an_organ", "status": "not_responding", "message": "No agent answers."}, REPLACED),
        # The manager does not know the organ, refuses, or hangs.
        ({"organ_id": "another", "status": "unplaceable", "message": NEEDS}, REPLACED),
        (Unavailable("Gone."), REPLACED),
        (None, REPLACED),
    ],
)
async def test_why_nobody_takes_a_task_is_said(
    seen: Any, detail: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingress, "_EXPLANATION_TIMEOUT_S", 0.05)
    with pytest.raises(AppError) as raised:
        await organs(Organ(None, agents=0), Organism(seen)).execute("an_organ", task("test_task", 0.01))
    assert (raised.value.status, raised.value.code, raised.value.detail) == (503, "organ_unavailable", detail)


async def test_an_organ_that_sleeps_keeps_the_skills_that_its_agents_told(monkeypatch: pytest.MonkeyPatch) -> None:
    live: list[dict[str, Any]] = [{"skills": ["own.skill", "memory.get"]}]

    async def collect(*_: Any, timeout_s: float) -> list[dict[str, Any]]:
        return live

    monkeypatch.setattr(ingress, "collect", collect)
    monkeypatch.setattr(ingress, "_SKILLS_FRESH_FOR_S", -1.0)
    asked = organs(Organ())
    assert await asked.skills() == {"an_organ": ["memory.get", "own.skill"]}
    live.clear()
    assert await asked.skills() == {"an_organ": ["memory.get", "own.skill"]}
    assert "memory.put" in (await organs(Organ()).skills())["an_organ"]


@pytest.mark.parametrize("fresh_for_s", [5.0, 0.0])
async def test_who_comes_after_one_who_waited_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, fresh_for_s: float
) -> None:
    monkeypatch.setattr(ingress, "_UNPLACEABLE_FOR_S", fresh_for_s)
    organ = Organ(None, REPLY, REPLY, agents=0)
    organism = Organism({"organ_id": "an_organ", "status": "unplaceable", "message": NEEDS})
    asked = organs(organ, organism)
    for _ in range(3):
        with pytest.raises(AppError, match="needs 64 CPU") as raised:
            await asked.execute("an_organ", task("test_task", 0.01))
        assert (raised.value.status, raised.value.retry_after_s) == (503, 2)
    assert len(organ.given) == 1
    monkeypatch.setattr(ingress, "_UNPLACEABLE_FOR_S", 0.0)
    organism.seen = {"organ_id": "an_organ", "status": "starting", "message": "No agent answers yet."}
    assert await asked.execute("an_organ", task("test_task")) == REPLY
    organism.seen = Unavailable("Gone.")
    assert await asked.execute("an_organ", task("test_task")) == REPLY
