"""Server-sent events: whatever stands in a log, a reader gets it as text of the events that were meant."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.api.sse import has_nothing_new, parse_event_id, render_events
from serve_app.hidden.held import hold, release

HOSTILE = [
    "x\n\nevent: end\ndata: {}",
    "x\r\rdata: y",
    "x\r\n\r\nid: 1\r\n",
    "\ndata: two",
    "event: end",
    "id: 99",
    "retry: 1",
    ": a comment",
    "data: data: ",
    "",
    " leading",
    "\ufeffdata: bom",
    "\u2028\u2029\x85 other line ends",
    "\0\x1b[2J",
    "</script><script>alert(1)</script>",
    "[click](javascript:alert(1))",
]


def read_events(raw: bytes) -> list[tuple[str, str, str | None]]:
    """As a browser reads a stream (WHATWG HTML, section 9.2.6): type, data and id of each event."""
    events: list[tuple[str, str, str | None]] = []
    kind, data, id = "message", [], None
    text = raw.decode().replace("\r\n", "\n").replace("\r", "\n")
    for line in text.split("\n"):
        if not line:
            if data:
                events.append((kind, "\n".join(data), id))
            kind, data = "message", []
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            kind = value
        elif name == "data":
            data.append(value)
        elif name == "id":
            id = value
    return events


def flatten(text: str) -> str:
    return text.replace("\r", " ").replace("\n", " ")


@pytest.mark.parametrize("text", HOSTILE, ids=repr)
def test_no_line_of_a_log_makes_another_event(text: str) -> None:
    assert read_events(render_events({"lines": [[text, 7], ["next", 8]]})) == [
        ("message", flatten(text), "7"),
        ("message", "next", "8"),
    ]
    told = {"reason": "ended", "status": text, "outcome": text, "sentence": text}
    ((kind, data, id),) = read_events(render_events({"end": told, "at": 9}))  # type: ignore[typeddict-item]
    assert (kind, json.loads(data), id) == ("end", told, "9")


@given(st.lists(st.text(), max_size=5))
def test_any_lines(lines: list[str]) -> None:
    events = read_events(render_events({"lines": [[line, place] for place, line in enumerate(lines)]}))
    assert [data for _, data, _ in events] == [flatten(line) for line in lines]
    assert {kind for kind, _, _ in events} <= {"message"}


@pytest.mark.parametrize(
    ("given", "place"),
    [("12", 12), ("", 5), (None, 5), ("-1", 5), ("1e3", 5), ("\u0663", 5), ("9" * 16, 5), ("12\n", 5), ("0x1", 5)],
)
def test_an_id_that_is_none_of_ours_is_as_none(given: str | None, place: int) -> None:
    assert parse_event_id(given, 5) == place


def test_what_is_new() -> None:
    end = {"reason": "ended", "status": None, "outcome": None, "sentence": ""}
    assert has_nothing_new({"end": end})  # type: ignore[typeddict-item]
    assert not has_nothing_new({"lines": [["x", 1]], "end": end})  # type: ignore[typeddict-item]
    assert read_events(render_events({"skipped_bytes": 4})) == [("skipped", '{"bytes":4}', None)]
    assert render_events({"lines": []}) == b": alive\n\n"


def test_a_token_that_came_after_the_inspector_began_is_in_no_followed_line() -> None:
    hold(["a-token-of-today-1"])
    try:
        assert render_events({"lines": [["x a-token-of-today-1 y", 9]]}) == b"id: 9\ndata: x [redacted] y\n\n"
    finally:
        release()
