"""The shape that this project replaces, from its description: uvicorn, a ``ray://`` client, a detached organ, an agent.

One uvicorn process serves FastAPI and is a Ray client of the head. The organ is a detached named actor; it picks one
of its agents at random and awaits it. The handler awaits the organ's answer as a Ray client reference (which wraps
its future for asyncio: ray/util/client/common.py), which is the natural way in an ``async def`` handler and the
fastest of the three tried here (the others: ``ray.get`` in a thread, ``ray.get`` in a plain ``def`` handler).

    python -m tests.bench.old <ray client port> <http port>
"""

from __future__ import annotations

import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import ray
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from tests.bench.load import HOST

ORGAN = "cognitive_organ_1"
PATH = f"/organism/execute/{ORGAN}"


class TaskBody(BaseModel):
    """The body of old clients."""

    task_data: dict[str, Any]


class OldAgent:
    """An agent: an actor that does a trivial task."""

    def __init__(self, agent_id: str) -> None:
        self._agent_id = agent_id

    def execute_task(self, task: dict[str, Any]) -> dict[str, Any]:
        return {
            "agent_id": self._agent_id,
            "task_processed": True,
            "success": True,
            "quality": 0.97,
            "capability_score": 0.81,
            "mem_util": 0.25,
            "skill": "organ.probe",
            "output": {"pid": 1, "echo": task["type"]},
            "duration_s": 0.001,
        }


class OldOrgan:
    """An organ: an asyncio actor that hands a task to one of its agents, chosen at random."""

    def __init__(self, agents: dict[str, Any]) -> None:
        self._agents = agents

    async def execute(self, task: dict[str, Any]) -> dict[str, Any]:
        agent = random.choice(list(self._agents.values()))
        return {"success": True, "organ_id": ORGAN, "result": await agent.execute_task.remote(task)}


def create_app(client_port: int) -> FastAPI:
    """The API as it was: connects when it starts, makes the actors, keeps the handle."""
    organs: dict[str, Any] = {}

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        ray.init(f"ray://{HOST}:{client_port}", namespace="seedcore", log_to_driver=False)
        agent_id = f"{ORGAN}_agent_0"
        agent = ray.remote(OldAgent).options(name=agent_id, num_cpus=0.05).remote(agent_id)
        organ = ray.remote(OldOrgan).options(name=ORGAN, lifetime="detached", num_cpus=0.05)
        organs[ORGAN] = organ.remote({agent_id: agent})
        yield
        ray.shutdown()

    app = FastAPI(lifespan=lifespan)

    @app.post("/organism/execute/{organ_id}")
    async def execute(organ_id: str, body: TaskBody) -> dict[str, Any]:
        return dict(await organs[organ_id].execute.remote(body.task_data))

    return app


if __name__ == "__main__":
    uvicorn.run(create_app(int(sys.argv[1])), host=HOST, port=int(sys.argv[2]), log_level="warning", access_log=False)
