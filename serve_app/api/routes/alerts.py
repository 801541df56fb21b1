"""What is wrong now, and what was."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from serve_app.alerts.query import AlertFilters, AlertsQuery, HistoryQuery
from serve_app.api.routes.answers import PROBLEMS, FromDeps, json_answer, problems
from serve_app.schemas.alerts import AlertPage

router = APIRouter(prefix="/alerts", tags=["alerts"], responses=PROBLEMS | problems({422: "a filter means nothing"}))


@router.get("", response_model=AlertPage, summary="What is wrong now, newest first")
async def list_alerts(query: Annotated[AlertsQuery, Query()], deps: FromDeps) -> Response:
    """Pending and firing alerts with what to do; silenced ones are marked. `degraded` says what is not known now."""
    return json_answer(await deps.alerts.alerts(_plain(query)))


@router.get("/history", response_model=AlertPage, summary="Alerts that have fired, newest first")
async def list_alert_history(query: Annotated[HistoryQuery, Query()], deps: FromDeps) -> Response:
    """Resolved ones and those that still fire."""
    return json_answer(await deps.alerts.alert_history(_plain(query)))


def _plain(query: AlertFilters) -> dict[str, str | int]:
    return query.model_dump(mode="json", exclude_none=True)
