"""Decompose a goal into steps over the skills that exist: deterministic, so that the same goal has the same plan."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from organs.skills.contract import Outcome, Skill, SkillContext

# A mark ends a clause only before a space or the end: there are dots in addresses, and commas in numbers. Marks are
# read from the first of them only, so that ten thousand of them are read once and not from each.
_CLAUSE = re.compile(
    r"(?:(?<![.;,!?])[.;,!?]+(?=\s|$)|\n|\band then\b|\bthen\b|\band\b|\bafterwards\b)+", re.IGNORECASE
)
_WORD = re.compile(r"[a-z0-9]+")
_EMPTY_WORDS = frozenset(
    {"a", "an", "the", "of", "to", "for", "in", "on", "it", "is", "all", "my", "me", "please", "with", "by", "s"}
)


class PlanInput(BaseModel):
    """What is wanted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    goal: str | None = Field(
        default=None, max_length=10_000, description="The goal; none means the task's description."
    )
    max_steps: int = Field(default=10, ge=1, le=100, description="Most steps in the plan.")


class TaskPlan(Skill[PlanInput]):
    """Which skills, in which order, come nearest to a goal."""

    name = "task.plan"
    summary = "Decomposes a goal into steps over the skills that exist."
    organ_type = "Cognitive"
    keywords = ("plan", "decompose", "task", "goal", "steps", "how")
    idempotent = True
    Input = PlanInput

    async def run(self, input: PlanInput, context: SkillContext) -> Outcome:
        planned = plan(input.goal or context.description, context.table, input.max_steps)
        clauses = sum(len(planned[part]) for part in ("steps", "unmatched", "left_out"))
        return Outcome(planned, len(planned["steps"]) / clauses if clauses else 1.0)


def plan(goal: str, skills: Sequence[type[Skill[Any]]], max_steps: int) -> dict[str, Any]:
    """Steps in the order of the goal's clauses; a clause that no skill fits is listed, not forced into one.

    ``left_out`` lists what would fit, but comes after ``max_steps``.
    """
    steps: list[dict[str, Any]] = []
    unmatched: list[str] = []
    left_out: list[str] = []
    for clause in (part.strip() for part in _CLAUSE.split(goal)):
        if not clause:
            continue
        score, skill = find_best(clause, skills)
        if skill is None:
            unmatched.append(clause)
        elif len(steps) >= max_steps:
            left_out.append(clause)
        else:
            steps.append(_build_step(len(steps) + 1, clause, skill, score))
    return {
        "goal": goal,
        "steps": steps,
        "unmatched": unmatched,
        "left_out": left_out,
        "summary": _summarize(steps, unmatched, left_out),
    }


def find_best(clause: str, skills: Sequence[type[Skill[Any]]]) -> tuple[float, type[Skill[Any]] | None]:
    """The skill that shares most words with a clause; its name decides between equals."""
    wanted = _list_stems(clause)
    scored = [(len(wanted & _list_known_words(skill)) / len(wanted) if wanted else 0.0, skill) for skill in skills]
    scored = [each for each in scored if each[0] > 0]
    return min(scored, key=lambda each: (-each[0], each[1].name)) if scored else (0.0, None)


@lru_cache(maxsize=1024)
def _list_known_words(skill: type[Skill[Any]]) -> frozenset[str]:
    return _list_stems(" ".join((skill.name.replace(".", " "), *skill.keywords)))


def _list_stems(text: str) -> frozenset[str]:
    return frozenset(_find_stem(word) for word in _WORD.findall(text.lower()) if word not in _EMPTY_WORDS)


def _find_stem(word: str) -> str:
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def _build_step(number: int, clause: str, skill: type[Skill[Any]], score: float) -> dict[str, Any]:
    shared = sorted(_list_stems(clause) & _list_known_words(skill))
    return {
        "step": number,
        "skill": skill.name,
        "organ_type": skill.organ_type,
        "for": clause,
        "because": f"shares {', '.join(shared)} with {skill.name}",
        "needs": [name for name, value in skill.Input.model_fields.items() if value.is_required()],
        "confidence": round(score, 3),
    }


def _summarize(steps: Sequence[dict[str, Any]], unmatched: Sequence[str], left_out: Sequence[str]) -> str:
    if not steps and not unmatched:
        return "There is no goal to plan for; say what you want in `description` or in the parameter `goal`."
    more = f" {len(left_out)} more were left out, since max_steps was reached." if left_out else ""
    return f"{len(steps)} steps; {len(unmatched)} parts of the goal fit no skill.{more}"
