"""What is wrong now, and what was."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import Field

from serve_app.alerts.settings import Rule
from serve_app.api.routes.answers import PROBLEMS, FromDeps, json_answer, problems
from serve_app.api.routes.jobs import Time
from serve_app.strict import StrictModel

router = APIRouter(prefix="/alerts", tags=["alerts"], responses=PROBLEMS | problems({422: "a filter means nothing"}))


class _Filters(StrictModel):
    rule: Rule | None = Field(default=None, description="For example `stuck-job`.")
    severity: Literal["warning", "critical"] | None = Field(default=None, description="How bad it is.")
    limit: int = Field(default=100, ge=1, le=500, description="Most alerts in the answer.")
    cursor: str | None = Field(default=None, max_length=512, description="`next_cursor` of the page before.")


class AlertsQuery(_Filters):
    """Filters of the active alerts."""

    state: Literal["pending", "firing"] | None = Field(
        default=None, description="Pending ones have not held for long enough yet."
    )


class HistoryQuery(_Filters):
    """Filters of the history."""

    state: Literal["firing", "resolved"] | None = Field(default=None, description="Whether it is over.")
    since: Time | None = Field(default=None, description="Fired at or after (RFC 3339).")


@router.get("", summary="What is wrong now, newest first")
async def alerts(query: Annotated[AlertsQuery, Query()], deps: FromDeps) -> Response:
    """Pending and firing alerts with what to do; silenced ones are marked. `degraded` says what is not known now."""
    return json_answer(await deps.alerts.alerts(_plain(query)))


@router.get("/history", summary="Alerts that have fired, newest first")
async def history(query: Annotated[HistoryQuery, Query()], deps: FromDeps) -> Response:
    """Resolved ones and those that still fire."""
    return json_answer(await deps.alerts.alert_history(_plain(query)))


def _plain(query: _Filters) -> dict[str, object]:
    return query.model_dump(mode="json", exclude_none=True)
