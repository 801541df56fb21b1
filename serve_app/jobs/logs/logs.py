"""The logs of submitted jobs: their last lines, and following them until the job has ended.

They are read in pieces from the agent of the node that has them, by HTTP ranges: a log of 5 GB costs the piece and no
time. Ray's own ways cost more. ``/api/jobs/{id}/logs`` reads the whole file into memory. ``/api/v0/logs/file`` searches
for line ends in the agent's only thread (13 s for 5 GB without one). ``/api/v0/logs/stream`` never notices that its
reader has gone, and each such reader keeps one of the state API's 100 places until Ray ends (``state_head.py``).
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import quote

from organs.times import format_time
from serve_app.cluster.dashboard import Piece
from serve_app.cluster.rows import read_time_ms
from serve_app.errors import NotFound, TooBusy, Unavailable
from serve_app.forward import served
from serve_app.jobs.judging.run_marks import build_mark
from serve_app.jobs.logs.lines import (
    KEY_BYTES,
    LastPiece,
    LineCutter,
    count_key_lines,
    cut_to_run,
    find_last_begin,
    read_last_lines,
)
from serve_app.jobs.logs.place import LogPlace, LogSource, build_file_name, find_wanted_start
from serve_app.jobs.models import JobRow, JobType
from serve_app.jobs.reading.find import Find
from serve_app.jobs.reading.rows import read_secret_values
from serve_app.jobs.reading.run_log import PIECE_BYTES as HEAD_BYTES
from serve_app.jobs.reading.run_log import find_run_part
from serve_app.jobs.settings import LOG_HEARTBEAT_S, InspectorConfig
from serve_app.outcomes import ENDED_STATUSES
from serve_app.queries.job_names import is_file_name
from serve_app.schemas.logs import LogAnswer, LogItem

Json = dict[str, Any]

# Most of a log that one answer holds, and what is tried first: nearly all tails are short.
MOST_BYTES = 1_048_576
FEW_BYTES = 131_072
# Serve does not slow a stream down for a slow reader, so its pace is set here: 256 KiB/s for each follower.
PIECE_BYTES = 65_536
BUSY_PAUSE_S = 0.25
IDLE_PAUSE_S = 1.0
# Who falls behind by more than this is taken to the end, and told so.
MOST_BEHIND_BYTES = 4_194_304
_UNANSWERED_S = 30.0
_TAILS_AT_ONCE = 2
_MANY_BYTES = 16_384
_LATER_LOOKS = 5
_ANOTHER_RUN = "It was submitted again with the same id, and this was the log of the run before."
_AGENT = re.compile(r"http://[A-Za-z0-9_.:\[\]-]{1,255}")


class Logs:
    """Reads logs, for as many followers at once as the configuration allows."""

    def __init__(
        self,
        client: LogSource,
        find: Find,
        config: Callable[[], InspectorConfig],
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._find = find
        self._config = config
        self._now = now
        self._clock = clock
        self._pause = pause
        self._tails = asyncio.Semaphore(_TAILS_AT_ONCE)
        self.followers = 0

    async def read_tail(self, id: str, lines: int, *, all_runs: bool = False) -> LogAnswer:
        """The last lines of a job's log; raises ``NotFound`` when the job, or its log, does not exist.

        What earlier runs with its id wrote into the same file is left out unless ``all_runs``.
        """
        row, submission_id = await self._find_submission(id)
        place = await self._find_place(submission_id, find_wanted_start(id, row))
        answer: LogAnswer = {
            "id": row.id,
            "submission_id": submission_id,
            "status": place.status,
            "node_id": row.node_id,
            "source": build_file_name(submission_id),
            "lines": [],
            "truncated": False,
            "size_bytes": None,
            "reason": None,
            "as_of": format_time(self._now()),
        }
        if place.url is None:
            return {**answer, "reason": "No node has begun with it, so there is no log yet."}
        async with self._tails:
            last = await self._read_last_piece(place.url, lines, None if all_runs else submission_id)
            # Redacting a whole mebibyte takes a third of a second, which the event loop has not.
            read = partial(read_last_lines, last.piece, lines, whole=last.whole, values=place.values)
            shown, begin = await asyncio.to_thread(read)
        starts_at = last.piece.start if last.whole or last.piece.start == 0 else None
        return {
            **answer,
            "source": f"{answer['source']} from byte {starts_at}" if starts_at else answer["source"],
            "lines": shown,
            "truncated": begin != starts_at,
            "size_bytes": last.piece.size_bytes,
        }

    async def read_growth(self, submission_id: str, after: int | None, most_bytes: int) -> Piece | None:
        """What a submission's log has from byte ``after`` on, or its last byte; None before a node has begun with it.

        Either tells how long the log is. Raises ``NotFound`` when there is none, and ``Unavailable``.
        """
        place = await self._find_place(submission_id)
        if place.url is None:
            return None
        return await self._client.read_piece(place.url, *((-1, 1) if after is None else (after, most_bytes)))

    @served("follow_log")
    async def follow(self, id: str, lines: int, after: int | None) -> AsyncGenerator[LogItem, None]:
        """``{"lines": [[text, byte after it]…]}`` as they come, empty ones as heartbeats, ``{"skipped_bytes": int}``
        when the reader fell behind, and at last ``{"end": {"reason", "status", "outcome", "sentence"}}``.

        It begins with the last ``lines`` lines, or where ``after`` says. Raises ``TooBusy`` when there are too many.
        """
        config = self._config()
        if self.followers >= config.log_followers:
            raise TooBusy(f"{self.followers} logs are being followed, which is the limit; try again later.")
        self.followers += 1
        try:
            row, submission_id = await self._find_submission(id)
            deadline = self._clock() + config.follow_limit_s
            async with aclosing(_Follow(self, id, row, submission_id, deadline).follow(lines, after)) as items:
                async for item in items:
                    yield item
        finally:
            self.followers -= 1

    async def _find_submission(self, id: str) -> tuple[JobRow, str]:
        row, _, _ = await self._find(id)
        if row.submission_id is not None and ("\\" in row.submission_id or not is_file_name(row.submission_id)):
            raise NotFound(
                "Ray keeps the log of a submission in a file that is named by its id, and this id can be no file's "
                "name, so there is no log. Submit it under a short id without slashes.",
                code="no_driver_log",
            )
        if row.type is not JobType.SUBMISSION or row.submission_id is None:
            raise NotFound(
                "Ray keeps no log of a driver that was started by hand: its output went where it was started. Submit "
                "it (POST /jobs, or `ray job submit`) to have its log here.",
                code="no_driver_log",
            )
        return row, row.submission_id

    async def _find_place(self, submission_id: str, wanted_start: datetime | None = None) -> LogPlace:
        """Raises ``NotFound``, also when Ray has another run under the id than that which began then."""
        raw = await self._client.get_job(submission_id)
        started_at = read_time_ms(raw.get("start_time"))
        if wanted_start is not None and started_at != wanted_start:
            raise NotFound(_ANOTHER_RUN, code="another_run")
        agent = raw.get("driver_agent_http_address")
        known = isinstance(agent, str) and _AGENT.fullmatch(agent)
        url = f"{agent}/logs/{quote(build_file_name(submission_id), safe='')}" if known else None
        return LogPlace(submission_id, str(raw.get("status") or ""), url, started_at, read_secret_values(raw))

    async def _read_last_piece(self, url: str, lines: int, submission_id: str | None) -> LastPiece:
        """The end of a file, from where its last run begins if that is in it; ``submission_id`` None: all runs."""
        last = cut_to_run(await self._client.read_piece(url, -FEW_BYTES, FEW_BYTES), submission_id)
        if not last.whole and last.piece.start > 0 and last.piece.data.count(b"\n") <= lines:
            last = cut_to_run(await self._client.read_piece(url, -MOST_BYTES, MOST_BYTES), submission_id)
        return last

    async def _find_begin(self, place: LogPlace, url: str) -> int:
        """Where the run begins in its file."""
        first = await self._client.read_piece(url, 0, HEAD_BYTES)
        part = await find_run_part(self._client.read_piece, url, place.submission_id, place.started_at, first)
        return part.begin


class _Follow:
    """One follower: where it is in the file, and what it has seen of the job."""

    def __init__(self, logs: Logs, asked: str, row: JobRow, submission_id: str, deadline: float) -> None:
        self._logs = logs
        self._id = row.id
        self._start = find_wanted_start(asked, row)
        self._submission_id = submission_id
        self._deadline = deadline
        self._cutter: LineCutter | None = None
        self._status = ""
        self._over = False
        self._answered_at = self._said_at = logs._clock()
        # A run has one line of this kind: where it is not the first that comes, another run may begin.
        self._mark = build_mark(submission_id)

    async def follow(self, lines: int, after: int | None) -> AsyncGenerator[LogItem, None]:
        """Everything that the follower is told, in order; nothing but the end, where ``after`` is all of it."""
        if (over := await self._answer_nothing_new(after)) is not None:
            yield over
            return
        yield {"lines": []}
        while self._logs._clock() < self._deadline:
            try:
                item, pause_s = await self._advance(lines, after)
            except NotFound as error:
                gone = _ANOTHER_RUN if error.code == "another_run" else "The job or its log is not there any more."
                yield self._end("log_gone", None, gone)
                return
            except Unavailable as error:
                if self._logs._clock() - self._answered_at > _UNANSWERED_S:
                    yield self._end("log_unavailable", None, error.detail)
                    return
                item, pause_s = None, IDLE_PAUSE_S
            else:
                self._answered_at = self._logs._clock()
            if item is None and self._logs._clock() - self._said_at >= LOG_HEARTBEAT_S:
                item = {"lines": []}
            if item is not None:
                self._said_at = self._logs._clock()
                yield item
                if "end" in item:
                    return
            await self._logs._pause(pause_s)
        yield self._end("time_limit", None, "A log is followed only for so long; go on with the last event's id.")

    async def _advance(self, lines: int, after: int | None) -> tuple[LogItem | None, float]:
        """One look at the file, and at the job when the file has nothing new."""
        place = await self._find_place() if self._cutter is None else None
        if place is not None:
            self._see(place)
            if place.url is None:
                return (await self._answer_ended(0) if self._over else None), IDLE_PAUSE_S
            self._url, self._place, self._start = place.url, place, place.started_at
            self._cutter = await self._begin(lines, after)
        cutter = self._cutter
        assert cutter is not None  # noqa: S101 - made above
        piece = await self._logs._client.read_piece(self._url, cutter.read_to, PIECE_BYTES)
        if piece.size_bytes < cutter.read_to:
            return self._end("log_gone", None, "The log was cut or replaced while it was followed."), 0.0
        behind = piece.size_bytes - cutter.read_to
        if behind > MOST_BEHIND_BYTES:
            self._cutter = await self._begin(0, piece.size_bytes - PIECE_BYTES)
            return {"skipped_bytes": behind - PIECE_BYTES}, 0.0
        if self._mark in piece.data:
            # A run that was deleted and submitted again while it was followed: what follows is not its own.
            await self._find_place()
        if piece.data:
            many = len(piece.data) > _MANY_BYTES
            found = await asyncio.to_thread(cutter.feed, piece.data) if many else cutter.feed(piece.data)
            return ({"lines": [[line.text, line.after] for line in found]} if found else None), BUSY_PAUSE_S
        if self._over:
            return await self._drain(cutter), 0.0
        self._see(await self._find_place())
        # Ended: once more at once, for what was written between the two looks.
        return None, 0.0 if self._over else IDLE_PAUSE_S

    async def _find_place(self) -> LogPlace:
        return await self._logs._find_place(self._submission_id, self._start)

    async def _begin(self, lines: int, after: int | None) -> LineCutter:
        values = self._place.values
        if after is None:
            last = await self._logs._read_last_piece(self._url, lines, self._submission_id)
            piece = last.piece
            begin, headless = find_last_begin(piece, lines, whole=last.whole)
            begin = piece.start + len(piece.data) if headless else begin
            key_lines = count_key_lines(piece.data[: begin - piece.start])
            return LineCutter(begin, headless=headless, key_lines=key_lines, values=values)
        first = await self._logs._find_begin(self._place, self._url)
        if after <= first:
            return LineCutter(first, values=values)
        # Anyone can name a byte: only one after a line end begins a line, and it may be in the midst of a private key.
        start = max(first, after - KEY_BYTES)
        before = (await self._logs._client.read_piece(self._url, start, after - start)).data
        whole = len(before) == after - start and before.endswith(b"\n")
        return LineCutter(after, headless=not whole, key_lines=count_key_lines(before), values=values)

    async def _drain(self, cutter: LineCutter) -> LogItem:
        rest = cutter.flush()
        item = await self._answer_ended(cutter.read_to)
        return {"lines": [[line.text, line.after] for line in rest], **item}

    async def _answer_nothing_new(self, after: int | None) -> LogItem | None:
        """The end, for who has read all of the log of a job that is over; whatever cannot be asked is told later."""
        if after is None:
            return None
        try:
            place = await self._logs._find_place(self._submission_id)
            piece = None if place.url is None else await self._logs._client.read_piece(place.url, after, 1)
        except (NotFound, Unavailable):
            return None
        self._see(place)
        return await self._answer_ended(after) if self._over and (piece is None or piece.size_bytes <= after) else None

    async def _answer_ended(self, at: int) -> LogItem:
        """With the outcome, which the next look at the cluster concludes a moment after Ray's word."""
        outcome = None
        for _ in range(_LATER_LOOKS):
            row, _, _ = await self._logs._find(self._submission_id)
            if row.status == self._status:
                outcome = row.outcome.value
                break
            await self._logs._pause(IDLE_PAUSE_S)
        return {**self._end("ended", outcome, "The job has ended, and this was all of its log."), "at": at}

    def _see(self, place: LogPlace) -> None:
        self._status = place.status
        self._over = place.status in ENDED_STATUSES

    def _end(self, reason: str, outcome: str | None, sentence: str) -> LogItem:
        return {
            "end": {
                "id": self._id,
                "reason": reason,
                "status": self._status or None,
                "outcome": outcome,
                "sentence": sentence,
            }
        }
