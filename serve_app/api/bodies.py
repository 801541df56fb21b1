"""Bodies of requests that are no jobs' own (those are in ``jobs.actions.bodies``)."""

from __future__ import annotations

from pydantic import BaseModel, Field, JsonValue

from serve_app.strict import StrictModel


class OldTask(BaseModel):
    """A task as old clients send it; keys that mean nothing here are left alone."""

    task_data: dict[str, JsonValue]


class InitializeBody(StrictModel):
    """May be absent."""

    force: bool = Field(default=False, description="Run the job even when nothing is due.")
