"""Bodies of requests that are no jobs' own (those are in ``jobs.actions.bodies``)."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, JsonValue


class OldTask(BaseModel):
    """A task as old clients send it; keys that mean nothing here are left alone."""

    task_data: dict[str, JsonValue]


class InitializeBody(BaseModel):
    """May be absent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    force: bool = Field(default=False, description="Run the job even when nothing is due.")
