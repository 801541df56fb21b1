"""Queries of what the inspector answers: the route declares the model, the answer reads it with ``read_query``.

That of ``GET /jobs`` is read by ``history.archive.JobFilter``, which the store is asked with too; that of
``/jobs/summary`` is in its route, and read by ``history.figures.parse_window``. What all queries have in common is
``serve_app.queries``.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from serve_app.outcomes import OutcomeName, StatusName, VerdictName
from serve_app.queries.paging import DEFAULT_LIMIT
from serve_app.queries.query import Cursor, Limit, Text, Time
from serve_app.strict import StrictModel


class JobsQuery(StrictModel):
    """Filters of the list; one that does not exist is an error, since a misspelt filter would filter nothing.

    What the inspector takes is wider, and read by ``history.archive``: alternatives, for one.
    """

    kind: Text | None = Field(default=None, max_length=64, description="For example `user`.")
    status: StatusName | None = Field(default=None, description="Ray's word.")
    outcome: OutcomeName | None = Field(default=None, description="What really happened.")
    verdict: VerdictName | None = Field(default=None, description="Whether that was expected.")
    since: Time | None = Field(default=None, description="Started at or after (RFC 3339).")
    until: Time | None = Field(default=None, description="Started before (RFC 3339).")
    q: Text | None = Field(
        default=None, min_length=1, max_length=200, description="Text in id, entrypoint or metadata."
    )
    limit: Limit = DEFAULT_LIMIT
    cursor: Cursor | None = None


class ActorsQuery(StrictModel):
    """Filters of the list of actors."""

    state: str | None = Field(default=None, max_length=64, description="For example `ALIVE` or `DEAD`.")
    job_id: str | None = Field(default=None, max_length=64)
    class_name: str | None = Field(default=None, max_length=256)
    limit: Limit = DEFAULT_LIMIT
    cursor: Cursor | None = None


class HierarchyQuery(StrictModel):
    """How the tree shall look."""

    format: Literal["json", "text", "mermaid"] = Field(default="json", description="json, an indented text, Mermaid.")
