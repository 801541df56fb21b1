"""The base of every model that people write: a key that is not known is a mistake, and nothing changes afterwards.

And a time that they wrote: at the edge of the calendar there are some that no other zone has.
"""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict


class StrictModel(BaseModel):
    """Frozen, and refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def convert_to_utc(time: datetime) -> datetime:
    """The same time in UTC; raises ``ValueError`` where that is before the year 1 or after 9999. ``time``: aware."""
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError("in UTC it is not between the years 1 and 9999") from None
