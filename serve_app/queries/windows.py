"""The windows over which figures are told, back from now: the same in routes, report, metrics and alerts."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeGuard, get_args

from serve_app.errors import InvalidInput

Window = Literal["5m", "1h", "24h", "7d"]
AlertWindow = Literal["5m", "1h"]

WINDOWS_S: Final[dict[Window, int]] = {"5m": 300, "1h": 3_600, "24h": 86_400, "7d": 604_800}
DEFAULT_WINDOW: Final = "1h"
# What is told now, as opposed to over a while.
SHORTEST_WINDOW: Final = "5m"
LONGEST_WINDOW_S: Final = WINDOWS_S["7d"]
# What Prometheus is told: it keeps longer windows itself.
PUBLISHED_WINDOWS: Final[tuple[Window, ...]] = ("5m", "1h", "24h")
ALERT_WINDOWS: Final[tuple[AlertWindow, ...]] = get_args(AlertWindow)


def require_window(window: Any) -> Window:
    """The window asked for; raises ``InvalidInput`` for any other than the four."""
    if not _is_window(window):
        why = f"must be one of {', '.join(WINDOWS_S)}"
        raise InvalidInput(f"window {why}.", errors=[{"loc": ["query", "window"], "msg": why}])
    return window


def _is_window(window: Any) -> TypeGuard[Window]:
    return isinstance(window, str) and window in WINDOWS_S
