"""Skills that users might write: a good one, and ones that go wrong."""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic import BaseModel, Field

from organs.skills.contract import Outcome, Skill, SkillContext, SkillUpstreamFailed


class GreetInput(BaseModel, extra="forbid", frozen=True):
    name: str = Field(min_length=1, description="Whom to greet.")


class Greet(Skill[GreetInput]):
    name = "people.greet"
    summary = "Says hello to somebody."
    organ_type = "Utility"
    keywords = ("hello", "greet")
    Input = GreetInput

    async def run(self, input: GreetInput, context: SkillContext) -> Outcome:
        return Outcome({"text": f"Hello, {input.name}."}, completeness=0.5)


class Nothing(BaseModel):
    """No input."""


class _Bad(Skill[Nothing]):
    summary = "Goes wrong."
    organ_type = "Utility"
    Input = Nothing


class Crashing(_Bad):
    name = "bad.crash"

    async def run(self, input: Nothing, context: SkillContext) -> Outcome:
        raise RuntimeError("a secret detail")


class Failing(_Bad):
    name = "bad.fail"

    async def run(self, input: Nothing, context: SkillContext) -> Outcome:
        raise SkillUpstreamFailed("The other side failed.")


class Hanging(_Bad):
    name = "bad.hang"

    async def run(self, input: Nothing, context: SkillContext) -> Outcome:
        await asyncio.Event().wait()
        raise AssertionError


class Unspeakable(_Bad):
    name = "bad.object"

    async def run(self, input: Nothing, context: SkillContext) -> Outcome:
        return Outcome({"object": object()})


class Huge(_Bad):
    name = "bad.huge"

    async def run(self, input: Nothing, context: SkillContext) -> Outcome:
        return Outcome({"text": "x" * 2_000_000})


class Nameless(Skill[Any]):
    summary = "Has no dot."
    name = "nodot"
    organ_type = "Utility"
    Input = Nothing

    async def run(self, input: Any, context: SkillContext) -> Outcome:
        return Outcome({})


NOT_A_SKILL = 5
