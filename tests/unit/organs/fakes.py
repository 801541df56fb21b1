"""An organ without Serve: identity and ways out are handed in."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from organs.models import OrganSpec, OrganType, TaskMessage
from organs.organ import Organ
from organs.skills.contract import SkillDeadline, SkillError, SkillNotFound, SkillUnavailable

SPECS = (
    OrganSpec(id="cognitive_organ_1", type="Cognitive"),
    OrganSpec(id="actuator_organ_1", type="Actuator"),
    OrganSpec(id="utility_organ_1", type="Utility"),
)


@dataclass
class FakeStore:
    """The store's agents and memories, with its fencing."""

    down: bool = False
    agents: dict[str, dict[str, Any]] = field(default_factory=dict)
    memories: dict[str, dict[str, Any]] = field(default_factory=dict)
    saves: list[tuple[str, int]] = field(default_factory=list)
    gate: asyncio.Event | None = None
    """While set, a write waits for it."""
    waiting: int = 0
    settings: dict[str, Any] = field(default_factory=dict)
    """By deployment, what was accepted last."""
    refused: dict[str, Any] = field(default_factory=dict)

    def _reach(self) -> None:
        if self.down:
            raise SkillUnavailable("The store is down.")

    async def claim_agent(self, agent_id: str, organ_id: str, owner: str) -> dict[str, Any]:
        self._reach()
        row = self.agents.setdefault(agent_id, {"epoch": 0, "state": None})
        row["epoch"] += 1
        return dict(row)

    async def save_agent(self, agent_id: str, epoch: int, state: dict[str, Any]) -> str:
        self._reach()
        if self.gate is not None:
            self.waiting += 1
            await self.gate.wait()
        self.saves.append((agent_id, epoch))
        row = self.agents.get(agent_id)
        if row is None:
            return "missing"
        if row["epoch"] != epoch:
            return "fenced"
        row["state"] = state
        return "saved"

    async def last_settings(self, application: str, deployment: str) -> dict[str, Any] | None:
        self._reach()
        return self.settings.get(deployment)

    async def note_settings(self, application: str, deployment: str, accepted: Any, refused: Any) -> None:
        self._reach()
        if accepted is not None:
            self.settings[deployment] = accepted
        self.refused[deployment] = refused

    async def put_memory(self, key: str, value: Any, tags: list[str], agent_id: str) -> dict[str, Any]:
        self._reach()
        created = key not in self.memories
        self.memories[key] = {"key": key, "value": value, "tags": tags}
        return {"key": key, "created": created}

    async def get_memory(self, key: str) -> dict[str, Any] | None:
        self._reach()
        return self.memories.get(key)

    async def search_memory(self, query: str, tags: list[str], limit: int) -> dict[str, Any]:
        self._reach()
        items = [row for row in self.memories.values() if query in row["key"]]
        return {"items": items[:limit], "total": len(items)}


@dataclass
class FakeWays:
    """Jobs, other organs, and the cluster."""

    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    predecessors: int | None = 0
    """Replicas that had the agent before and are not gone; None when Ray does not say."""

    async def get_job(self, job_id: str) -> dict[str, Any]:
        if job_id not in self.jobs:
            raise SkillNotFound(f"There is no job {job_id!r}.")
        return self.jobs[job_id]

    async def diagnosis(self, job_id: str, timeout_s: float) -> dict[str, Any]:
        assert 0 < timeout_s <= 60
        return {"id": job_id, "diagnosis": {"code": (await self.get_job(job_id))["rule"]}}

    async def probe(self, organ_id: str, timeout_s: float) -> dict[str, Any]:
        if organ_id in self.silent:
            raise SkillUnavailable(f"{organ_id} has no replica that answers.")
        return {"agent_id": f"{organ_id}_agent_0"}

    async def resources(self) -> dict[str, Any]:
        return {"total": {"CPU": 2.0}, "available": {"CPU": 1.0}}

    async def nodes(self) -> list[dict[str, Any]]:
        return [{"node_id": "n1", "alive": True}]

    async def count_predecessors(self, rank: int, *, ending: bool = False) -> int:
        if self.predecessors is None:
            raise SkillDeadline("Ray did not answer within 5 s.")
        return self.predecessors


class FakeOrgan(Organ):
    """Made without Serve's replica context."""

    def __init__(self, organ_type: OrganType, store: FakeStore, ways: FakeWays) -> None:
        spec = next(spec for spec in SPECS if spec.type == organ_type)
        self._set_up(spec, SPECS, SimpleNamespace(store=store, jobs=ways, organs=ways, cluster=ways), "replica-1")

    def __del__(self) -> None:  # type: ignore[override]
        """Serve awaits the organ's; Python's own collector must not."""


async def organ(
    organ_type: OrganType, store: FakeStore | None = None, ways: FakeWays | None = None, **config: Any
) -> FakeOrgan:
    made = FakeOrgan(organ_type, store or FakeStore(), ways or FakeWays())
    await made.reconfigure(config, SimpleNamespace(rank=0))
    made._keeper.cancel()  # type: ignore[union-attr]
    return made


def task(task_type: str, description: str = "", timeout_s: float = 5.0, **parameters: Any) -> TaskMessage:
    return {
        "type": task_type,
        "description": description,
        "parameters": parameters,
        "task_id": "t-1",
        "timeout_s": timeout_s,
    }


__all__ = ["SPECS", "FakeOrgan", "FakeStore", "FakeWays", "SkillError", "organ", "task"]
