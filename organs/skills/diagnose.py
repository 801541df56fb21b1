"""Why a job failed, with evidence, or whether one that runs or waits makes progress."""

from __future__ import annotations

import time

from pydantic import BaseModel, ConfigDict, Field

from organs.skills.contract import Outcome, Skill, SkillContext


class DiagnoseInput(BaseModel):
    """Which job."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1, max_length=256, description="Job id or submission id.")


class JobDiagnose(Skill[DiagnoseInput]):
    """Say why a job failed: a code, the lines that prove it, and what to change."""

    name = "job.diagnose"
    summary = "Says why a job failed: a code, the evidence with file and line, and what to change; reads its logs."
    organ_type = "Cognitive"
    keywords = ("job", "diagnose", "diagnosis", "cause", "root", "evidence", "advice", "stuck", "hang", "crash", "log")
    idempotent = True
    Input = DiagnoseInput

    async def run(self, input: DiagnoseInput, context: SkillContext) -> Outcome:
        # A log of many megabytes takes longer than other questions; the task's own deadline is the limit.
        return Outcome(await context.ports.jobs.diagnosis(input.id, max(0.1, context.deadline - time.monotonic())))
