"""A span for each skill, below the span that Serve makes for the call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace

_tracer = trace.get_tracer("seedcore.organs")


@contextmanager
def start_skill_span(skill: str, agent_id: str) -> Iterator[None]:
    """A child of the current span; nothing at all when nobody records."""
    if not trace.get_current_span().is_recording():
        yield
        return
    with _tracer.start_as_current_span(
        f"skill {skill}", attributes={"seedcore.skill": skill, "seedcore.agent_id": agent_id}
    ):
        yield
