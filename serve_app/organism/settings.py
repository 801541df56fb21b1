"""``user_config`` of the ``OrganismManager`` deployment."""

from __future__ import annotations

from pydantic import Field

from serve_app.strict import StrictModel


class ManagerConfig(StrictModel):
    """``user_config`` of the ``OrganismManager`` deployment."""

    initialize_on_start: bool = Field(default=True, description="Submit the initialization job when it is due.")
    reconcile_period_s: float = Field(
        default=5.0, ge=0.5, le=300, description="How often wanted and actual are compared."
    )
    probe_timeout_s: float = Field(default=2.0, gt=0, le=30, description="Deadline of one probe of one organ.")
    initialization_timeout_s: float = Field(
        default=120.0, ge=5, le=3600, description="After this the initialization job gives up with its reason."
    )
    initialization_attempts: int = Field(
        default=3, ge=1, le=20, description="Failed initialization jobs in a row before the manager waits for a person."
    )
