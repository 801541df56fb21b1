"""Items of a followed log as server-sent events (WHATWG HTML, section 9.2)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping

from pydantic_core import to_json

from serve_app.errors import AppError
from serve_app.schemas.logs import LogItem

MEDIA_TYPE = "text/event-stream"
# A proxy that collects the answer before it passes it on would defeat it.
HEADERS = {"X-Accel-Buffering": "no"}
_MOST_DIGITS = 15


async def stream_events(first: LogItem, items: AsyncGenerator[LogItem, None]) -> AsyncIterator[bytes]:
    """``items`` as events, ``first`` before them. Headers are sent already, so an error is told as the last event."""
    try:
        yield render_events(first)
        async for item in items:
            yield render_events(item)
    except AppError as error:
        yield render_events({"end": {"reason": error.code, "status": None, "outcome": None, "sentence": error.detail}})
    finally:
        await items.aclose()


def render_events(item: LogItem) -> bytes:
    """The events of one item; a comment for one without any, so that both ends see that the other is there."""
    parts = [f"id: {after}\ndata: {_join_lines(str(text))}\n\n" for text, after in item.get("lines", ())]
    if "skipped_bytes" in item:
        parts.append(_render_event("skipped", {"bytes": item["skipped_bytes"]}))
    if "end" in item:
        parts.append(_render_event("end", item["end"]))
    return "".join(parts or [": alive\n\n"]).encode()


def parse_event_id(last_event_id: str | None, otherwise: int | None) -> int | None:
    """Where a reader that comes back goes on; what is no id of ours is as none."""
    text = last_event_id or ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS else otherwise


def _render_event(name: str, value: Mapping[str, object]) -> str:
    return f"event: {name}\ndata: {to_json(value).decode()}\n\n"


def _join_lines(text: str) -> str:
    """A line end within would begin another field."""
    return text.replace("\r", " ").replace("\n", " ")
