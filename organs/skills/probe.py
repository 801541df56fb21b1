"""End to end, the way a task goes: through Serve's router to an agent and back."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from organs.models import OrganSpec
from organs.skills.contract import Outcome, Skill, SkillContext, SkillError, SkillNotFound

PROBE_TIMEOUT_S = 2.0


class ProbeInput(BaseModel):
    """Which organ."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    organ_id: str | None = Field(default=None, max_length=64, description="One organ; none means all of them.")


class OrganProbe(Skill[ProbeInput]):
    """Ask organs for a sign of life."""

    name = "organ.probe"
    summary = "Asks one organ, or all, for a sign of life through the router, and tells how long it took."
    organ_type = "Utility"
    keywords = ("organ", "probe", "health", "alive", "check", "ping", "respond", "test")
    idempotent = True
    Input = ProbeInput

    async def run(self, input: ProbeInput, context: SkillContext) -> Outcome:
        asked = [peer for peer in context.peers if input.organ_id in (None, peer.id)]
        if not asked:
            known = ", ".join(peer.id for peer in context.peers)
            raise SkillNotFound(f"There is no organ {input.organ_id!r}; the organs are {known}.")
        answers = await asyncio.gather(*(self._probe_peer(peer, context) for peer in asked))
        answered = sum(answer["ok"] for answer in answers)
        return Outcome({"organs": list(answers), "asked": len(asked), "answered": answered}, answered / len(asked))

    async def _probe_peer(self, peer: OrganSpec, context: SkillContext) -> dict[str, Any]:
        began = time.monotonic()
        if peer.id == context.spec.id:
            return {"organ_id": peer.id, "ok": True, "agent_id": context.agent_id, "latency_s": 0.0, "detail": "itself"}
        try:
            answer = await context.ports.organs.probe(peer.id, min(PROBE_TIMEOUT_S, context.deadline - began))
        except SkillError as error:
            return {"organ_id": peer.id, "ok": False, "agent_id": None, "latency_s": None, "detail": error.detail}
        latency_s = round(time.monotonic() - began, 6)
        return {
            "organ_id": peer.id,
            "ok": True,
            "agent_id": answer["agent_id"],
            "latency_s": latency_s,
            "detail": "answered",
        }
