"""Jobs of this session and of all before: what is in memory is the newest word, what is in the store goes back further.

When the store does not answer, memory does, and the answer says what is missing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from serve_app.errors import AppError
from serve_app.jobs import views
from serve_app.jobs.history import figures
from serve_app.jobs.judging.contradiction import CONTRADICTED_DRIVER, DRIVER_REPAIRED
from serve_app.jobs.judging.judge import get_sort_key
from serve_app.jobs.judging.motion_rules import CIRCLE
from serve_app.jobs.models import Evidence, JobRow, Verdict
from serve_app.jobs.queries import JobsQuery
from serve_app.outcomes import OPEN_OUTCOMES, JobOutcome
from serve_app.queries.job_names import count_us, parse_run
from serve_app.queries.paging import (
    DEFAULT_LIMIT,
    Key,
    cut_page,
    is_storable,
    make_cursor,
    read_cursor,
    read_limit,
    refuse_filter,
)
from serve_app.schemas.jobs import JobView, KeptJob, KeptRow, Transition

Json = dict[str, Any]
_SESSION_MARK = "@"
# As the store has it (`store.bounds`): nothing longer can be in it.
MAX_NAME_CHARS = 600
_MAX_TEXT = 256
_CHOICES = {"outcome": frozenset(JobOutcome), "verdict": frozenset(Verdict)}
_FIELDS = frozenset(JobsQuery.model_fields)
_TAKEN_AT_RAYS_WORD = frozenset({JobOutcome.SUCCEEDED, JobOutcome.FAILED})


class PastJobs(Protocol):
    """What is read from the store."""

    async def list_jobs(self, asked: Json) -> list[KeptRow]: ...

    async def find_job(self, wanted: str, session: str | None = None) -> KeptJob | None: ...

    async def find_run(self, id: str, started_ms: int) -> KeptJob | None: ...

    async def job_transitions(self, key: str) -> list[Transition]: ...

    async def jobs_ended_since(self, since_us: int, counts_only: bool = False) -> Json: ...

    async def delete_job(self, key: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class JobFilter:
    """What is asked for. Empty sets and None mean any."""

    kinds: frozenset[str] = frozenset()
    statuses: frozenset[str] = frozenset()
    outcomes: frozenset[str] = frozenset()
    verdicts: frozenset[str] = frozenset()
    since: datetime | None = None
    until: datetime | None = None
    text: str = ""
    limit: int = DEFAULT_LIMIT
    after: Key | None = None

    @classmethod
    def parse(cls, query: Mapping[str, Any]) -> JobFilter:
        """From the names of the HTTP query; a list, or commas, give alternatives. Raises ``InvalidInput``."""
        unknown = sorted(set(query) - _FIELDS)
        if unknown:
            raise refuse_filter(unknown[0], f"is not a filter; filters are {', '.join(sorted(_FIELDS))}")
        return cls(
            kinds=_parse_words(query, "kind"),
            statuses=frozenset(word.upper() for word in _parse_words(query, "status")),
            outcomes=_parse_words(query, "outcome"),
            verdicts=_parse_words(query, "verdict"),
            since=_parse_time(query, "since"),
            until=_parse_time(query, "until"),
            text=_parse_text(query, "q").casefold(),
            limit=read_limit(query.get("limit")),
            after=read_cursor(query.get("cursor")),
        )

    def matches(self, row: JobRow) -> bool:
        """Whether a row is asked for, the page aside."""
        wanted = (self.kinds, self.statuses, self.outcomes, self.verdicts)
        values = (row.kind, row.status, row.outcome, row.verdict)
        if any(some and value not in some for some, value in zip(wanted, values, strict=True)):
            return False
        if self.since is not None and (row.started_at is None or row.started_at < self.since):
            return False
        if self.until is not None and (row.started_at is None or row.started_at >= self.until):
            return False
        return not self.text or any(self.text in text.casefold() for text in list_searched(row))


class Archive:
    """Reads the history: lists laid under what memory has, and single jobs as the store has them, by ``id``,
    ``id@session`` or ``id@<when it began>`` (``job_names``). ``store`` None: there is none, and memory is all.

    ``let_go`` is told of a job before it is deleted: what waits to be written of it would bring it back.
    """

    def __init__(self, store: PastJobs | None, let_go: Callable[[str], Awaitable[None]] | None = None) -> None:
        self._store = store
        self._let_go = let_go

    async def list_page(
        self, asked: JobFilter, rows: list[JobRow], by_key: Mapping[str, JobRow], unwritten: Mapping[str, JobRow]
    ) -> tuple[list[JobView], str | None, list[str]]:
        """A page of rows as JSON, the cursor of the next, and what is missing in it."""
        if self._store is None:
            return *_select_from_memory(rows, asked), []
        # As it is before the store is read: what is written meanwhile would be in neither.
        fresher = {key: row for key, row in unwritten.items() if key in by_key}
        try:
            stored = await self._store.list_jobs(_build_wanted(asked))
        except AppError as error:
            return *_select_from_memory(rows, asked), [f"history: {error.detail}"]
        # The row beyond the limit only tells that there are more: it belongs to the next page.
        last = _get_key(stored[asked.limit - 1]) if len(stored) > asked.limit else None
        found = dict(_merge_newest(stored, asked, by_key, fresher))
        for row in fresher.values():
            place = get_sort_key(row)
            inside = (asked.after is None or place < asked.after) and (last is None or place >= last)
            if inside and asked.matches(row):
                found[place] = views.render_row(row)
        places = sorted(found, reverse=True)
        taken = places[: asked.limit]
        if len(places) > asked.limit:
            return [found[place] for place in taken], make_cursor(taken[-1]), []
        return [found[place] for place in taken], make_cursor(last) if last is not None else None, []

    async def find(self, wanted: str) -> KeptJob | None:
        """A job that is not in memory; of several runs with the id the newest. Raises what the store raises."""
        if self._store is None:
            return None
        run = parse_run(wanted)
        if run is not None and _may_be_a_name(run[0]):
            found = await self._store.find_run(*run)
            if found is not None:
                return found
        id, mark, session = wanted.rpartition(_SESSION_MARK)
        if mark and _may_be_a_name(id) and _may_be_a_name(session):
            found = await self._store.find_job(id, session)
            if found is not None:
                return found
        return await self._store.find_job(wanted, None) if _may_be_a_name(wanted) else None

    async def restore_judgement(self, row: JobRow) -> JobRow:
        """The row as lists have it: of a job that ended, with what contradicted Ray's word or went in circles before.

        A store that does not answer tells of nothing.
        """
        if self._store is None or row.outcome in OPEN_OUTCOMES or not _may_be_a_name(row.id):
            return row
        try:
            stored = await self._store.find_job(row.id, row.session)
        except AppError:
            return row
        circled = stored is not None and any(each["rule"] == CIRCLE for each in stored["evidence"])
        if stored is None or not _knows_more(stored["row"], row, circled=circled):
            return row
        kept = stored["row"]
        told = (each for each in stored["evidence"] if each["source"] != views.EXPECTATION)
        return replace(
            row,
            outcome=JobOutcome(kept["outcome"]),
            verdict=Verdict(kept["verdict"]),
            rule=kept["rule"],
            reason=kept["reason"],
            # A row that an older version kept has no action.
            action=kept.get("action") or row.action,
            code=kept.get("code") or row.code,
            evidence=tuple(Evidence(each["rule"], each["source"], each["fact"]) for each in told),
        )

    async def read_kept_log(self, row: JobRow) -> str | None:
        """What was kept of the end of a job's log; raises what the store raises."""
        if self._store is None:
            return None
        if not _may_be_a_name(row.id):
            return None
        if row.submission_id is None or row.started_at is None:
            stored = await self._store.find_job(row.id, row.session)
        else:
            # Of this run: the history may know others with its id.
            stored = await self._store.find_run(row.id, count_us(row.started_at) // 1000)
        return None if stored is None else stored["log_excerpt"]

    async def list_transitions(self, key: str) -> tuple[list[Transition], list[str]]:
        """How the judgement of a job changed, and what is missing."""
        if self._store is None:
            return [], []
        try:
            return await self._store.job_transitions(key), []
        except AppError as error:
            return [], [f"history: {error.detail}"]

    async def forget(self, key: str) -> bool:
        """Delete a job from the history; whether it was there. Raises what the store raises."""
        if self._let_go is not None:
            await self._let_go(key)
        return False if self._store is None else await self._store.delete_job(key)

    async def count_ended(
        self,
        since: datetime,
        now: datetime,
        rows: list[JobRow],
        *,
        counts_only: bool = False,
        code_of: figures.CodeOf = lambda key: None,
    ) -> tuple[Json, list[str]]:
        """Of the jobs that ended since, until now: counts, and unless ``counts_only`` more; what is missing."""
        if self._store is None:
            return figures.count_ended(rows, since, now, code_of), []
        try:
            since_us = round(since.timestamp() * 1_000_000)
            return await self._store.jobs_ended_since(since_us, counts_only), []
        except AppError as error:
            return figures.count_ended(rows, since, now, code_of), [f"history: {error.detail}"]


def select(rows: Iterable[JobRow], query: JobFilter) -> tuple[list[JobRow], str | None]:
    """The page of rows (which come newest first), and the cursor of the next."""
    return cut_page([row for row in rows if query.matches(row)], get_sort_key, query.limit, query.after)


def list_searched(row: JobRow) -> list[str]:
    """The texts that a search looks at."""
    pairs = [text for pair in row.metadata.items() for text in pair]
    return [row.id, row.job_id or "", row.entrypoint, *pairs]


def _may_be_a_name(text: str) -> bool:
    """Whether the store can be asked for it: what it refuses is no bad request here, but a job that does not exist."""
    return 1 <= len(text) <= MAX_NAME_CHARS and is_storable(text)


def _select_from_memory(rows: list[JobRow], asked: JobFilter) -> tuple[list[JobView], str | None]:
    taken, cursor = select(rows, asked)
    return [views.render_row(row) for row in taken], cursor


def _build_wanted(asked: JobFilter) -> Json:
    return {
        "kinds": sorted(asked.kinds),
        "statuses": sorted(asked.statuses),
        "outcomes": sorted(asked.outcomes),
        "verdicts": sorted(asked.verdicts),
        "since_us": _count_microseconds(asked.since),
        "until_us": _count_microseconds(asked.until),
        "text": asked.text,
        "after": asked.after,
        "limit": asked.limit + 1,
    }


def _merge_newest(
    stored: list[KeptRow], asked: JobFilter, by_key: Mapping[str, JobRow], fresher: Mapping[str, JobRow]
) -> list[tuple[Key, JobView]]:
    """Stored rows, each replaced by what is in memory of it but for the code of its diagnosis; that may no longer be
    asked for.

    What is ``fresher`` in memory may begin elsewhere now, and comes from there alone.
    """
    found: list[tuple[Key, JobView]] = []
    for record in stored[: asked.limit]:
        if record["key"] in fresher:
            continue
        kept, row = record["row"], by_key.get(record["key"])
        if row is None or _knows_more(kept, row, circled=record.get("circled", False)):
            found.append((_get_key(record), kept))
        elif asked.matches(row):
            found.append((_get_key(record), {**views.render_row(row), "code": row.code or kept["code"]}))
    return found


def _knows_more(kept: JobView, row: JobRow, *, circled: bool) -> bool:
    """Whether what contradicted Ray's word, or went in circles, was seen before: tables forget it, and so does who was
    started since.
    """
    same = kept["status"] == row.status and kept["started_at"] == views.render_row(row)["started_at"]
    if kept["rule"] == CONTRADICTED_DRIVER and any(each.rule == DRIVER_REPAIRED for each in row.evidence):
        return False
    if kept["outcome"] == row.outcome and row.circle is None and row.outcome not in OPEN_OUTCOMES:
        return same and circled
    return kept["outcome"] == JobOutcome.CONTRADICTED and row.outcome in _TAKEN_AT_RAYS_WORD and same


def _get_key(record: KeptRow) -> Key:
    return record["started_us"], record["name"]


def _count_microseconds(time: datetime | None) -> int | None:
    return None if time is None else round(time.timestamp() * 1_000_000)


def _parse_words(query: Mapping[str, Any], name: str) -> frozenset[str]:
    given = query.get(name)
    if given is None:
        return frozenset()
    if isinstance(given, str):
        given = given.split(",")
    if not isinstance(given, list | tuple | set | frozenset) or not all(isinstance(word, str) for word in given):
        raise refuse_filter(name, "must be a text")
    words = frozenset(word.strip() for word in given if word.strip())
    if len(words) > 50 or any(len(word) > _MAX_TEXT for word in words):
        raise refuse_filter(name, "is too long")
    if not all(map(is_storable, words)):
        raise refuse_filter(name, "holds a character that no text can have")
    choices = _CHOICES.get(name)
    if choices is not None and not words <= choices:
        raise refuse_filter(name, f"must be one of {', '.join(sorted(choices))}")
    return words


def _parse_text(query: Mapping[str, Any], name: str) -> str:
    text = query.get(name)
    if text is None:
        return ""
    if not isinstance(text, str) or len(text) > _MAX_TEXT:
        raise refuse_filter(name, f"must be a text of at most {_MAX_TEXT} characters")
    if not is_storable(text):
        raise refuse_filter(name, "holds a character that no text can have")
    return text


def _parse_time(query: Mapping[str, Any], name: str) -> datetime | None:
    value = query.get(name)
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise refuse_filter(name, "must be an RFC 3339 time") from None
    if time is None:
        return None
    if not isinstance(time, datetime) or time.tzinfo is None:
        raise refuse_filter(name, "must be an RFC 3339 time with its offset, as 2026-01-31T12:00:00Z")
    return time
