"""``user_config`` of the ``JobInspector`` deployment."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from serve_app.jobs.diagnosis.catalogue.team import MOST_SIGNATURES, SignatureSpec, require_different
from serve_app.jobs.judging.expectations import EXPECTATIONS, list_ineffective
from serve_app.jobs.judging.kind_specs import KindSpec
from serve_app.strict import StrictModel

# Who follows a log hears something at least so often.
LOG_HEARTBEAT_S = 15.0


class InspectorConfig(StrictModel):
    """``user_config`` of the ``JobInspector`` deployment."""

    poll_period_s: float = Field(default=5.0, ge=0.5, le=300, description="How often Ray is asked when all is at rest.")
    busy_poll_period_s: float = Field(
        default=1.0, ge=0.2, le=60, description="How often while jobs come and go; twice as long while they only run."
    )
    fresh_for_s: float = Field(default=2.0, ge=0.1, le=60, description="A snapshot this young is served as it is.")
    source_timeout_s: float = Field(default=4.0, gt=0, le=60, description="Deadline of one question to Ray.")
    motion_period_s: float = Field(
        default=20.0, ge=1, le=60, description="How often all running jobs are looked at, whether they move."
    )
    quiet_limit_s: float = Field(
        default=600.0,
        ge=5,
        le=604_800,
        description="A running job that shows no sign of life for longer is a WARN; shorter where earlier runs were.",
    )
    retained_jobs: int = Field(default=10_000, ge=100, le=100_000, description="Most job rows kept in memory.")
    list_actors_up_to: int = Field(
        default=1_000,
        ge=0,
        le=10_000,
        description="More actors than this are listed once a minute only, while Ray pushes events.",
    )
    log_followers: int = Field(default=8, ge=0, le=32, description="Most log followers at once.")
    follow_limit_s: float = Field(
        default=300.0,
        ge=1,
        le=3600,
        description="Longest following of a log; Serve's `request_timeout_s` must be longer.",
    )
    kinds: tuple[KindSpec, ...] = Field(
        default=(), max_length=100, description="Kinds of your own, and what is expected of them (see below)."
    )
    signatures: tuple[SignatureSpec, ...] = Field(
        default=(), max_length=MOST_SIGNATURES, description="Signatures of your own for diagnoses (see above)."
    )
    kept_days: float = Field(default=90.0, gt=0, le=3_660, description="Ended jobs older than this are forgotten.")
    kept_jobs: int = Field(default=100_000, ge=100, le=10_000_000, description="Most jobs kept in the history.")

    @model_validator(mode="after")
    def _require_different_signatures(self) -> Self:
        require_different(self.signatures)
        return self

    @model_validator(mode="after")
    def _require_known_kinds(self) -> Self:
        names: set[str] = set()
        for kind in self.kinds:
            if kind.name in names:
                raise ValueError(f"kind {kind.name!r} is given twice")
            if (kind.match is None) != (kind.name in EXPECTATIONS):
                why = "is built in, so it takes no match" if kind.match else "is not built in, so it needs a match"
                raise ValueError(f"kind {kind.name!r} {why}")
            if without_effect := list_ineffective(kind):
                what = ", ".join(without_effect)
                why = "is built in" if kind.name in EXPECTATIONS else "is a service, which shall not end"
                raise ValueError(f"kind {kind.name!r} {why}; {what} would have no effect on it")
            names.add(kind.name)
        return self
