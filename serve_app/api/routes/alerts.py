"""What is wrong now, and what was."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from serve_app.alerts.query import AlertFilters, AlertsQuery, HistoryQuery
from serve_app.api.routes.answers import PROBLEMS, FromDeps, json_answer, problems

router = APIRouter(prefix="/alerts", tags=["alerts"], responses=PROBLEMS | problems({422: "a filter means nothing"}))


@router.get("", summary="What is wrong now, newest first")
async def alerts(query: Annotated[AlertsQuery, Query()], deps: FromDeps) -> Response:
    """Pending and firing alerts with what to do; silenced ones are marked. `degraded` says what is not known now."""
    return json_answer(await deps.alerts.alerts(_plain(query)))


@router.get("/history", summary="Alerts that have fired, newest first")
async def history(query: Annotated[HistoryQuery, Query()], deps: FromDeps) -> Response:
    """Resolved ones and those that still fire."""
    return json_answer(await deps.alerts.alert_history(_plain(query)))


def _plain(query: AlertFilters) -> dict[str, object]:
    return query.model_dump(mode="json", exclude_none=True)
