"""Asking a part whose silence is itself part of the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any

from serve_app.errors import AppError
from serve_app.readiness import Part


async def ask_part(call: Awaitable[Mapping[str, Any]]) -> Part:
    """What the part said, or why it said nothing; other exceptions are bugs and pass through."""
    try:
        return Part(await call)
    except AppError as error:
        return Part(None, error.detail)
