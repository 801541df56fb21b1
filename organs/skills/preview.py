"""What would be done, without doing it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from organs.skills.contract import Outcome, Skill, SkillContext
from organs.skills.plan import find_best


class PreviewInput(BaseModel):
    """Anything: only words and names are looked at."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class TaskPreview(Skill[PreviewInput]):
    """Which skills of this organ would apply to a task."""

    name = "task.preview"
    summary = "Tells which skills of this organ would apply to a task and what they would do, and does nothing."
    organ_type = "Actuator"
    keywords = ("preview", "dry", "simulate", "would")
    idempotent = True
    Input = PreviewInput

    async def run(self, input: PreviewInput, context: SkillContext) -> Outcome:
        own = [skill for skill in context.table if skill.organ_type == context.spec.type and skill is not type(self)]
        words = f"{context.task_type} {context.description} {' '.join(context.raw_parameters)}"
        score, nearest = find_best(words, own)
        return Outcome(
            {
                "would_apply": [nearest.name] if nearest else [],
                "confidence": round(score, 3),
                "skills": [{"skill": skill.name, "does": skill.summary} for skill in own],
                "done": "nothing",
            }
        )
