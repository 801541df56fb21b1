"""Items of a followed log as server-sent events (WHATWG HTML, section 9.2)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping

from pydantic_core import to_json
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from serve_app.errors import AppError
from serve_app.hidden.held import hide_held
from serve_app.schemas.logs import LogItem

MEDIA_TYPE = "text/event-stream"
# A proxy that collects the answer before it passes it on would defeat it.
HEADERS = {"X-Accel-Buffering": "no"}
# When a reader that lost the stream comes back; browsers' own is 3 s and less.
RETRY_MS = 5_000
_MOST_DIGITS = 15


class EventStream(StreamingResponse):
    """``items`` as events, ``first`` before them; they are closed however the answer ends, also before it began."""

    media_type = MEDIA_TYPE

    def __init__(self, first: LogItem, items: AsyncGenerator[LogItem, None]) -> None:
        self._items = items
        super().__init__(_stream_events(first, items), headers=HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._items.aclose()


async def _stream_events(first: LogItem, items: AsyncGenerator[LogItem, None]) -> AsyncIterator[bytes]:
    """Headers are sent already, so an error is told as the last event."""
    yield f"retry: {RETRY_MS}\n".encode() + render_events(first)
    try:
        async for item in items:
            yield render_events(item)
    except AppError as error:
        yield render_events({"end": {"reason": error.code, "status": None, "outcome": None, "sentence": error.detail}})


def has_nothing_new(first: LogItem) -> bool:
    """Whether a reader that comes back has had everything, so that 204 shall end its coming back."""
    return first.get("end", {}).get("reason") == "ended" and not first.get("lines")


def render_events(item: LogItem) -> bytes:
    """The events of one item; a comment for one without any, so that both ends see that the other is there.

    What we hold is hidden, as in every other answer: this process may know tokens that came after the inspector began.
    """
    parts = [f"id: {after}\ndata: {_join_lines(str(text))}\n\n" for text, after in item.get("lines", ())]
    if "skipped_bytes" in item:
        parts.append(_render_event("skipped", {"bytes": item["skipped_bytes"]}))
    if "end" in item:
        parts.append(f"id: {item['at']}\n" if "at" in item else "")
        parts.append(_render_event("end", item["end"]))
    return hide_held("".join(parts or [": alive\n\n"])).encode()


def parse_event_id(last_event_id: str | None, otherwise: int | None) -> int | None:
    """Where a reader that comes back goes on; what is no id of ours is as none."""
    text = last_event_id or ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS else otherwise


def _render_event(name: str, value: Mapping[str, object]) -> str:
    return f"event: {name}\ndata: {to_json(value).decode()}\n\n"


def _join_lines(text: str) -> str:
    """A line end within would begin another field."""
    return text.replace("\r", " ").replace("\n", " ")
