"""Which sessions of before are over, as soon as a new one begins: their jobs do not run, whatever was seen of them.

What proves it: the head of this session listens where that of the other did, or it listened on this machine and
nothing does there now. A head of another machine may only be out of sight; of that one the time decides (the store).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from serve_app.jobs.reading.head_place import HeadPlace, is_refused

log = logging.getLogger("ray.serve.seedcore")


class SessionHistory(Protocol):
    """What is asked of the store."""

    async def opening(self) -> str: ...

    async def begin_session(self, session: str, place: str) -> list[str]: ...

    async def open_sessions(self, current: str) -> list[dict[str, Any]]: ...

    async def end_gone_sessions(self, names: Sequence[str]) -> None: ...


async def end_sessions_of_before(
    history: SessionHistory,
    session: str,
    place: HeadPlace,
    is_refused: Callable[[str], Awaitable[bool]],
) -> list[str]:
    """Begin this session and end those that are proven to be over; gives their names. Raises what the store raises."""
    over = await history.begin_session(session, place.render())
    gone = []
    for each in await history.open_sessions(session):
        other = HeadPlace.parse(str(each["place"]))
        if other is not None and other.machine == place.machine and await is_refused(other.address):
            gone.append(str(each["session"]))
    if gone:
        await history.end_gone_sessions(gone)
    for name in (*over, *gone):
        log.info("a session is over", extra={"action": "session_over", "session": name})
    return [*over, *gone]


class SessionStart:
    """Ends the sessions of before once for each opening of the database, which may be another one each time."""

    def __init__(
        self,
        history: SessionHistory,
        session: str,
        place: HeadPlace | None,
        is_refused: Callable[[str], Awaitable[bool]] = is_refused,
    ) -> None:
        self._history = history
        self._session = session
        self._place = place
        self._is_refused = is_refused
        self._opening: str | None = None

    async def begin(self) -> bool:
        """Whether the database was opened anew since this was asked first: what was written may not be in it.

        Raises what the store raises.
        """
        opening = await self._history.opening()
        if opening == self._opening:
            return False
        if self._place is not None:
            await end_sessions_of_before(self._history, self._session, self._place, self._is_refused)
        before, self._opening = self._opening, opening
        return before is not None
