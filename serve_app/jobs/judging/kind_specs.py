"""What a team declares of its own jobs, in ``user_config`` of ``JobInspector``: kinds, and what is expected of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from serve_app.strict import StrictModel

_PATTERN_CHARS = 300
_Pattern = Annotated[str, StringConstraints(max_length=_PATTERN_CHARS)]


class Match(StrictModel):
    """Patterns with ``*``, ``?`` and ``[abc]``, as for file names; a job matches when all that are given do.

    What a job does not have fits no pattern, ``*`` included. They are no regular expressions, because a pattern must
    not be able to stop the look at the cluster.
    """

    entrypoint: str | None = Field(default=None, max_length=_PATTERN_CHARS)
    submission_id: str | None = Field(default=None, max_length=_PATTERN_CHARS)
    namespace: str | None = Field(default=None, max_length=_PATTERN_CHARS, description="Of its actors.")
    metadata: Mapping[_Pattern, _Pattern] = Field(default={}, max_length=20)

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not any((self.entrypoint, self.submission_id, self.namespace, self.metadata)):
            raise ValueError("match needs at least one of entrypoint, submission_id, namespace, metadata")
        return self


class KindSpec(StrictModel):
    """One kind of job and what is expected of it. Without ``match`` it changes what is expected of a built-in kind."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,62}$", description="The kind.")
    match: Match | None = None
    purpose: str | None = Field(default=None, max_length=300)
    owner: str | None = Field(default=None, max_length=200, description="Who answers for it; named in findings.")
    scheduled_by: str | None = Field(default=None, max_length=200)
    managed_by: str | None = Field(default=None, max_length=200)
    must_end: bool | None = Field(default=None, description="True: a job. False: a service; then ending is wrong.")
    expected_duration_s: float | None = Field(default=None, gt=0, le=31_622_400, description="Longer is WARN.")
    deadline_s: float | None = Field(default=None, gt=0, le=31_622_400, description="Longer is BAD.")
    every_h: float | None = Field(default=None, gt=0, le=8_784, description="A success is due at least this often.")
    allowed_failures: int = Field(default=0, ge=0, le=100, description="Failures in a row that are only WARN.")
