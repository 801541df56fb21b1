"""Queries of what the inspector answers: the route declares the model, the answer reads it with ``read_query``.

``GET /jobs`` and ``/jobs/summary`` have theirs in ``api.routes.jobs``: read by ``history.archive.JobQuery``, which the
store is asked with too, and ``history.figures.parse_window``. What all queries have in common is ``serve_app.queries``.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from serve_app.queries.paging import DEFAULT_LIMIT
from serve_app.queries.query import Cursor, Limit
from serve_app.strict import StrictModel


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
