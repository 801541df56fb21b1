"""The logs of submitted jobs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response

from serve_app.api.routes.answers import (
    PROBLEMS,
    FromDeps,
    JobId,
    answer_json,
    answer_text,
    describe_problems,
    describe_text_answer,
    get_use,
)
from serve_app.api.sse import MEDIA_TYPE, EventStream, has_nothing_new, parse_event_id
from serve_app.jobs.actions.bodies import LogQuery
from serve_app.schemas.logs import LogAnswer

router = APIRouter(prefix="/jobs", tags=["jobs"], responses=PROBLEMS)


@router.get(
    "/{id}/logs",
    response_model=LogAnswer,
    response_description="the last lines; or server-sent events: lines, `skipped`, and at last `end` (a `LogEnd`)",
    summary="The log of a submitted job",
    responses={
        **describe_text_answer("text/plain", MEDIA_TYPE),
        204: {"description": "to a `Last-Event-ID` behind which nothing more will come: do not come back"},
        **describe_problems(
            {
                404: "no such job; `no_driver_log`",
                422: "not such a query",
                429: "too many followers, in all or (`too_many_streams`) of this token",
            }
        ),
    },
)
async def get_log(
    id: JobId,
    query: Annotated[LogQuery, Query()],
    request: Request,
    deps: FromDeps,
    last_event_id: Annotated[str | None, Header(max_length=20, include_in_schema=False)] = None,
) -> Response:
    """Redacted and cut. Followed until the job has ended, or for `follow_limit_s`; then `Last-Event-ID` goes on."""
    if query.follow:
        get_use(request).begin_stream()
        items = deps.jobs.follow_log(id, query.lines, parse_event_id(last_event_id, query.after))
        # The first item, or its error, before the headers are sent.
        first = await anext(items)
        if last_event_id and has_nothing_new(first):
            await items.aclose()
            return Response(status_code=204)
        return EventStream(first, items)
    ask = deps.jobs.whole_log if query.all_runs else deps.jobs.job_log
    answer = await ask(id, query.lines)
    if query.format == "text":
        return answer_text("".join(f"{line}\n" for line in answer["lines"]))
    return answer_json(answer)
