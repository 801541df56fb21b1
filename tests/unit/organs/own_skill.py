"""Skills that users might write: a good one, and ones that go wrong."""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic import BaseModel, Field, model_validator

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


class NoOutcome(_Bad):
    name = "bad.answer"

    async def run(self, input: Nothing, context: SkillContext) -> Outcome:
        return {"text": "hello"}  # type: ignore[return-value]


class NotANumber(_Bad):
    name = "bad.nan"

    async def run(self, input: Nothing, context: SkillContext) -> Outcome:
        return Outcome({"share": float("nan")})


class Telling(_Bad):
    name = "good.words"

    async def run(self, input: Nothing, context: SkillContext) -> Outcome:
        return Outcome({"text": "NaN and Infinity are words"})


class Impatient(_Bad):
    name = "bad.timeout"

    async def run(self, input: Nothing, context: SkillContext) -> Outcome:
        raise TimeoutError("its own, long before the deadline")


class Leaving(_Bad):
    name = "bad.exit"

    async def run(self, input: Nothing, context: SkillContext) -> Outcome:
        raise SystemExit(3)


class CrashingInput(BaseModel):
    """Input whose own check fails."""

    @model_validator(mode="before")
    @classmethod
    def _crash(cls, _: Any) -> Any:
        raise KeyError("a secret detail")


class CrashingCheck(_Bad):
    name = "bad.check"
    Input = CrashingInput

    async def run(self, input: Nothing, context: SkillContext) -> Outcome:
        raise AssertionError


class Synchronous(_Bad):
    name = "bad.sync"

    def run(self, input: Nothing, context: SkillContext) -> Outcome:  # type: ignore[override]
        return Outcome({})


class NoModel(_Bad):
    name = "bad.input"
    Input = dict  # type: ignore[assignment]

    async def run(self, input: Any, context: SkillContext) -> Outcome:
        return Outcome({})


class LongName(_Bad):
    name = "bad." + "n" * 200

    async def run(self, input: Nothing, context: SkillContext) -> Outcome:
        return Outcome({})


class Nameless(Skill[Any]):
    summary = "Has no dot."
    name = "nodot"
    organ_type = "Utility"
    Input = Nothing

    async def run(self, input: Any, context: SkillContext) -> Outcome:
        return Outcome({})


NOT_A_SKILL = 5
