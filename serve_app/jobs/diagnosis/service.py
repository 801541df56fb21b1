"""Diagnoses of jobs: each made once, remembered, and kept in the history, because it must outlive the logs.

Few are made at once, since each costs processor time in proportion to the log; who asks for one that is being made
waits for that one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from serve_app.errors import AppError, DeadlineExceeded, TooBusy
from serve_app.forward import served
from serve_app.jobs.diagnosis.evidence.belongings import PYTHON_KEY
from serve_app.jobs.diagnosis.evidence.gather import SETTLED_AFTER, DiagnosisSubject, EvidenceGatherer, choose_status
from serve_app.jobs.diagnosis.evidence.sentences import read_past_evidence
from serve_app.jobs.diagnosis.models import STOPPED, UNKNOWN, Certainty, Diagnosis, Fields, TextSource
from serve_app.jobs.diagnosis.sources import (
    DiagnosisExplainer,
    DiagnosisStore,
    JobFinder,
    PastJobFinder,
    StillnessJudge,
)
from serve_app.jobs.diagnosis.words import answers
from serve_app.jobs.judging.expectations import READ_THE_LOG
from serve_app.jobs.judging.outcome import DELETED
from serve_app.jobs.models import JobRow, Known, Snapshot
from serve_app.jobs.reading.observed import refuse_unknown
from serve_app.outcomes import CIRCLED_OUTCOMES, OPEN_OUTCOMES, JobOutcome
from serve_app.queries.job_names import shorten_id
from serve_app.redaction import hide_everywhere
from serve_app.schemas.diagnosis import (
    BriefsAnswer,
    BriefView,
    DiagnosisAnswer,
    DiagnosisView,
    MadeDiagnosis,
)

log = logging.getLogger("ray.serve.seedcore")

Engine = Callable[[Fields, Sequence[TextSource]], Diagnosis]

AT_ONCE = 2
DEADLINE_S = 30.0
# Most diagnoses that one question asks for.
MAX_BRIEFS = 100
_REMEMBERED = 500
_CODES = 20_000
_PROVISIONAL_S = 10.0


@dataclass(slots=True)
class _Made:
    """An answer; ``until``: when a provisional one is no longer good enough, by the clock; None for a final one.
    ``knew_circle``: what the job had done in circles was known when it was made.
    """

    outcome: str
    answer: MadeDiagnosis
    until: float | None = None
    saved: bool = False
    knew_circle: bool = False

    def fits(self, row: JobRow, clock_s: float) -> bool:
        """Whether it answers for a job as that is known now."""
        if self.outcome != row.outcome or (self.until is not None and clock_s >= self.until):
            return False
        # What a job had done before it ended may be known later than its end.
        is_told = row.outcome in CIRCLED_OUTCOMES and row.circle is not None and row.circle.is_explained
        diagnosis = self.answer["diagnosis"]
        is_plain = diagnosis is not None and diagnosis["code"] in (STOPPED, UNKNOWN, None)
        return self.knew_circle or not is_told or not is_plain


class Diagnoses:
    """Why jobs failed, by id."""

    def __init__(
        self,
        jobs: JobFinder,
        past: PastJobFinder,
        gatherer: EvidenceGatherer,
        engine: Engine,
        store: DiagnosisStore | None,
        stillnesses: StillnessJudge | None = None,
        explainer: DiagnosisExplainer | None = None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``engine`` blocks; ``store`` None: nothing is kept beyond memory."""
        self._engine = engine
        self._stillnesses = stillnesses
        self._explainer = explainer
        self._jobs = jobs
        self._past = past
        self._gatherer = gatherer
        self._store = store
        self._now = now
        self._clock = clock
        self._made: OrderedDict[str, _Made] = OrderedDict()
        self._codes: OrderedDict[str, str | None] = OrderedDict()
        self._under_way: dict[str, asyncio.Task[_Made]] = {}

    async def close(self) -> None:
        """Stop what is being made."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @served("diagnosis")
    async def answer_diagnosis(self, job_or_submission_id: str, by_model: bool = False) -> DiagnosisAnswer:
        """See ``diagnose``; with an ``explanation`` in words, a model's when that is wished and one answers."""
        answer = await self.diagnose(job_or_submission_id)
        found = answer["diagnosis"]
        if found is None or self._explainer is None:
            return {**answer, "explanation": None}
        return {**answer, "explanation": await self._explainer.explain(found, by_model=by_model)}

    @served("diagnoses")
    async def answer_briefs(self, keys: list[str]) -> BriefsAnswer:
        """Of jobs whose diagnosis was made, by ``session/id``: code, title, one line of evidence, the first advice."""
        return {"items": await self.list_briefs(keys[:MAX_BRIEFS])}

    async def diagnose(self, wanted: str) -> MadeDiagnosis:
        """``id, outcome, diagnosis, stillness, as_of, degraded`` of one job, of this session or an earlier one.

        Raises ``NotFound``, ``TooBusy`` when too many are being made, ``DeadlineExceeded`` when it takes too long: it
        goes on then, and who asks again finds it.
        """
        found = await self._jobs.find(wanted)
        if found is None:
            return await self._answer_past(wanted)
        seen, row = found
        if row.outcome in OPEN_OUTCOMES:
            return await self._answer_unended(seen.snapshot, row)
        row = await self._past.restore_judgement(row)
        made = await self._find_remembered(row)
        if made is None:
            if row.key not in self._under_way and len(self._under_way) >= AT_ONCE:
                raise TooBusy(f"{AT_ONCE} jobs are being diagnosed, which is the limit; try again later.")
            made = await self._wait_for(row, self._begin(seen.snapshot, row))
        return made.answer

    async def make(self, wanted: str, *, last: bool) -> bool:
        """Make and keep the diagnosis of a job that has ended, when there is room; whether nothing is left to do.

        With ``last`` one that could be better is kept as it is. Raises what ``diagnose`` raises, but for ``TooBusy``.
        """
        found = await self._jobs.find(wanted)
        if found is None or found[1].outcome in OPEN_OUTCOMES:
            return True
        seen, row = found
        made = await self._find_remembered(row)
        if made is None or made.until is not None:
            while row.key not in self._under_way and len(self._under_way) >= AT_ONCE:
                await asyncio.wait(self._under_way.values(), return_when=asyncio.FIRST_COMPLETED)
            made = await self._wait_for(row, self._begin(seen.snapshot, row))
        if made.until is not None and not last:
            return False
        return await self._save(row.key, made)

    async def find_known(self, row: JobRow) -> DiagnosisView | None:
        """The diagnosis of a job as far as it has been made; nothing is made for this."""
        if row.outcome in OPEN_OUTCOMES:
            return None
        made = await self._find_remembered(row)
        return None if made is None else made.answer["diagnosis"]

    async def list_briefs(self, keys: Sequence[str]) -> dict[str, BriefView]:
        """By key of a job: code, title, one line of evidence and the first advice, of diagnoses that were made."""
        here = {key: self._made[key].answer for key in keys if key in self._made}
        missing = [key for key in keys if key not in here]
        if missing and self._store is not None:
            with contextlib.suppress(AppError):
                here |= await self._store.diagnoses(missing)
        return {key: brief for key, answer in here.items() if (brief := answers.render_brief(answer)) is not None}

    def forget(self, key: str) -> None:
        """A job that was deleted: another may have its id."""
        self._made.pop(key, None)
        self._codes.pop(key, None)

    def find_code(self, key: str) -> str | None:
        """The code of a job whose diagnosis was made or read since the start, from memory."""
        return self._codes.get(key)

    async def _find_remembered(self, row: JobRow) -> _Made | None:
        made = self._made.get(row.key)
        if made is not None:
            if not made.fits(row, self._clock()):
                return None
            self._made.move_to_end(row.key)
            return made
        if self._store is None:
            return None
        try:
            kept = (await self._store.diagnoses([row.key])).get(row.key)
        except AppError:
            # What cannot be read is made again.
            return None
        if kept is None or kept.get("outcome") != row.outcome:
            return None
        read = self._remember(row.key, _Made(row.outcome, answers.complete_kept(kept), saved=True))
        return read if read.fits(row, self._clock()) else None

    def _begin(self, snapshot: Snapshot, row: JobRow) -> asyncio.Task[_Made]:
        if row.key not in self._under_way:
            task = asyncio.create_task(self._make(snapshot, row))
            self._under_way[row.key] = task
            task.add_done_callback(lambda done: self._end_task(row.key, done))
        return self._under_way[row.key]

    def _end_task(self, key: str, task: asyncio.Task[_Made]) -> None:
        del self._under_way[key]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a diagnosis failed", extra={"action": "diagnosis_failed", "job": key}, exc_info=error)

    async def _wait_for(self, row: JobRow, task: asyncio.Task[_Made]) -> _Made:
        done, _ = await asyncio.wait({task}, timeout=DEADLINE_S)
        if not done:
            raise DeadlineExceeded(
                f"The diagnosis of {shorten_id(row.id)} takes longer than {DEADLINE_S:g} s; it goes on, so ask again.",
                code="diagnosis_slow",
            )
        return task.result()

    async def _make(self, snapshot: Snapshot, row: JobRow) -> _Made:
        if row.outcome is JobOutcome.SUCCEEDED or row.rule == DELETED:
            # What a job wrote that did its work needs no explanation: nothing is read of it. Of one that was deleted
            # Ray's own error tells only that Ray missed its end.
            fields = Fields(status=choose_status(row), type=row.type.value, entrypoint=row.entrypoint)
            diagnosis, again = await asyncio.to_thread(self._engine, fields, []), False
        else:
            gathered = await self._gatherer.gather(build_subject(snapshot, row))
            found = await asyncio.to_thread(self._engine, gathered.fields, gathered.sources)
            if row.outcome is JobOutcome.CONTRADICTED:
                found = answers.tell_contradiction(found, row.reason, row.action)
            diagnosis, again = replace(found, unavailable=gathered.unavailable), gathered.again
        answer = answers.render_ended(row.id, row.outcome, diagnosis, self._now())
        settled = row.ended_at is None or self._now() - row.ended_at >= SETTLED_AFTER
        until = None if settled and not again else self._clock() + _PROVISIONAL_S
        made = _Made(row.outcome, answer, until, knew_circle=row.circle is not None)
        self._remember(row.key, made)
        if made.until is None:
            await self._save(row.key, made)
        return made

    async def _save(self, key: str, made: _Made) -> bool:
        """Whether it is in the history now, or nothing is kept at all."""
        made.until = None
        if self._store is not None and not made.saved:
            with contextlib.suppress(AppError):
                made.saved = await self._store.save_diagnosis(key, made.answer)
        return made.saved or self._store is None

    def _remember(self, key: str, made: _Made) -> _Made:
        self._made[key] = made
        self._made.move_to_end(key)
        diagnosis = made.answer["diagnosis"]
        self._codes[key] = None if diagnosis is None else diagnosis["code"]
        while len(self._made) > _REMEMBERED:
            self._made.popitem(last=False)
        while len(self._codes) > _CODES:
            self._codes.popitem(last=False)
        return made

    async def _answer_unended(self, snapshot: Snapshot, row: JobRow) -> MadeDiagnosis:
        """What has not ended has not failed: what can be told is whether it makes progress, or can never start."""
        told = None if self._stillnesses is None else (await self._stillnesses.judge(row)).render_json()
        if (facts := snapshot.find_job(row.id)) is not None:
            told = hide_everywhere(told, facts.secret_values)
        return answers.render_unended(row.id, row.outcome, told, self._now(), await self._find_hopeless(snapshot, row))

    async def _find_hopeless(self, snapshot: Snapshot, row: JobRow) -> Diagnosis | None:
        """Why a job that waits can never start, where that is certain; Ray tries for minutes before it says so."""
        subject = build_subject(snapshot, row)
        keys = () if subject.facts is None else subject.facts.runtime_env_keys
        if row.outcome is not JobOutcome.PENDING or PYTHON_KEY not in keys:
            return None
        gathered = await self._gatherer.gather(subject)
        found = await asyncio.to_thread(self._engine, gathered.fields, gathered.sources)
        return replace(found, unavailable=gathered.unavailable) if found.certainty is Certainty.CERTAIN else None

    async def _answer_past(self, wanted: str) -> MadeDiagnosis:
        """A job that only the history knows: its diagnosis, or what the end of its log tells."""
        stored = await self._past.find(wanted)
        if stored is None:
            raise refuse_unknown(wanted)
        if stored["diagnosis"] is not None:
            return answers.complete_kept(stored["diagnosis"])
        fields, sources, unavailable = read_past_evidence(stored)
        found = await asyncio.to_thread(self._engine, fields, sources)
        row = stored["row"]
        if row["outcome"] == JobOutcome.CONTRADICTED:
            # A row that an older version kept has no action.
            found = answers.tell_contradiction(found, row["reason"], row.get("action") or READ_THE_LOG)
        return answers.render_ended(row["id"], row["outcome"], replace(found, unavailable=unavailable), self._now())


def build_subject(snapshot: Snapshot, row: JobRow) -> DiagnosisSubject:
    """A job with what a look at the cluster saw of it."""
    nodes = snapshot.nodes.value if isinstance(snapshot.nodes, Known) else ()
    others = tuple(each.job_id for each in snapshot.list_drivers(row.submission_id) if each.job_id != row.job_id)
    return DiagnosisSubject(row, snapshot.find_job(row.id), snapshot.find_exit(row.job_id), nodes, others)
