"""A user's skill that takes its time, for a full queue."""

from __future__ import annotations

import asyncio

from pydantic import BaseModel, Field

from organs.skills.contract import Outcome, Skill, SkillContext


class WaitInput(BaseModel, extra="forbid", frozen=True):
    seconds: float = Field(ge=0, le=30, description="How long.")


class Wait(Skill[WaitInput]):
    name = "test.wait"
    summary = "Waits."
    organ_type = "Utility"
    Input = WaitInput

    async def run(self, input: WaitInput, context: SkillContext) -> Outcome:
        await asyncio.sleep(input.seconds)
        return Outcome({"waited_s": input.seconds})
