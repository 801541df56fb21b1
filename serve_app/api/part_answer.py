"""Asking a part whose silence is itself part of the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any

from serve_app.errors import AppError
from serve_app.readiness import Part


async def ask_part(call: Awaitable[Mapping[str, Any]], patience_s: float | None = None) -> Part:
    """What the part said, or why it said nothing, which it may do for ``patience_s`` seconds at most; None: as long as
    the call itself may take. Other exceptions are bugs and pass through.
    """
    try:
        async with asyncio.timeout(patience_s):
            return Part(await call)
    except AppError as error:
        return Part(None, error.detail)
    except TimeoutError:
        if patience_s is None:
            raise
        return Part(None, f"It did not answer within {patience_s:g} s.")
