"""The job inspector: it looks at the cluster from inside, and answers what it saw.

One replica on the head node. It is a Ray worker already, so looking makes no job, and nobody else has to look.
``JobWatch`` looks and judges, ``JobAnswers`` and ``ClusterAnswers`` make the answers.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Protocol

from ray.serve.handle import DeploymentHandle

from organs.live.settings import LiveSettings, SettingsStore
from organs.replica import Versioned
from organs.version import read_own_version
from serve_app import parts
from serve_app.background import Workers
from serve_app.cluster.dashboard import DashboardClient
from serve_app.cluster.handles import connect
from serve_app.env import Env
from serve_app.errors import NotFound, Unavailable
from serve_app.forward import forward
from serve_app.jobs.actions.actions import Actions
from serve_app.jobs.actions.settings import JobManagement
from serve_app.jobs.answers.cluster import ClusterAnswers
from serve_app.jobs.answers.deployments import DeploymentTroubles, RefusalSource
from serve_app.jobs.answers.jobs import JobAnswers
from serve_app.jobs.answers.metrics import JobMetrics
from serve_app.jobs.answers.versions import Versions
from serve_app.jobs.backlog import Backlog
from serve_app.jobs.diagnosis.automatic import Automatic
from serve_app.jobs.diagnosis.catalogue.catalogue import Catalogue
from serve_app.jobs.diagnosis.catalogue.team import build_catalogue
from serve_app.jobs.diagnosis.deployments import Deployments
from serve_app.jobs.diagnosis.engine.diagnose import diagnose
from serve_app.jobs.diagnosis.evidence.gather import EvidenceGatherer
from serve_app.jobs.diagnosis.models import Diagnosis, Fields, TextSource
from serve_app.jobs.diagnosis.service import Diagnoses
from serve_app.jobs.diagnosis.sources import DiagnosisStore
from serve_app.jobs.diagnosis.words.explanation import Explainer, ModelSettings
from serve_app.jobs.history.archive import Archive, PastJobs
from serve_app.jobs.history.recorder import History, Recorder
from serve_app.jobs.logs.excerpts import Excerpts, ExcerptStore
from serve_app.jobs.logs.logs import Logs
from serve_app.jobs.progress.circles.causes import build_code_chooser
from serve_app.jobs.progress.circles.questions import AttemptQuestions
from serve_app.jobs.progress.circles.seeker import CircleSeeker
from serve_app.jobs.progress.looks.head import HeadReader
from serve_app.jobs.progress.looks.holdings import Holdings
from serve_app.jobs.progress.looks.sweep import Sweep
from serve_app.jobs.progress.looks.trail_store import TrailArchive, TrailStore
from serve_app.jobs.progress.questions import JobQuestions
from serve_app.jobs.progress.rounds import Rounds
from serve_app.jobs.progress.service import Stillnesses
from serve_app.jobs.progress.stack_answers import StackAnswers
from serve_app.jobs.reading.events import RayEvent
from serve_app.jobs.reading.replica import RayReplica, Replica
from serve_app.jobs.serve_facts import HttpFacts
from serve_app.jobs.settings import InspectorConfig
from serve_app.jobs.watch import JobWatch
from serve_app.metrics.prometheus import choose_publisher
from serve_app.metrics.sampler import Sampler, Samples
from serve_app.queries.query import PlainQuery
from serve_app.schemas.alerts import AlertInputs
from serve_app.schemas.changes import DeleteAnswer
from serve_app.schemas.cluster import (
    EventsAnswer,
    NodePage,
)
from serve_app.schemas.diagnosis import DiagnosisView
from serve_app.schemas.logs import LogAnswer
from serve_app.schemas.summary import JobsSummaryAnswer
from serve_app.tokens.environment import hold_environment

log = logging.getLogger("ray.serve.seedcore")

# Longer than the store's own deadline, so that its sentence arrives and not ours.
_STORE_TIMEOUT_S = 6.0


class JobStore(
    History, PastJobs, DiagnosisStore, ExcerptStore, Samples, TrailStore, SettingsStore, RefusalSource, Protocol
):
    """What is asked of the store: each part says it for itself, and all of it may be asked again."""


@forward(JobAnswers, through=attrgetter("_jobs"))
@forward(ClusterAnswers, through=attrgetter("_cluster"))
@forward(Actions, through=attrgetter("_actions"))
@forward(Logs, through=attrgetter("_logs"))
@forward(StackAnswers, through=attrgetter("_stacks"))
@forward(Diagnoses, through=attrgetter("_diagnoses"))
class JobInspector(Versioned):
    """What the routes and the organism ask about jobs, nodes, actors and Serve. All answers are plain dicts.

    What is answered by one part alone is marked there (``served``); the methods here put several together.
    """

    def __init__(
        self,
        store: DeploymentHandle | None = None,
        client: DashboardClient | None = None,
        here: Replica | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
        management: JobManagement | None = None,
        explainer: Explainer | None = None,
        code_version: str | None = None,
        deployed_http: HttpFacts | None = None,
    ) -> None:
        """Serve gives the store, the rules of management and what was deployed; tests give the others."""
        env = Env.read()
        hold_environment(env)
        self._config, self._catalogue = _read_settings({})
        self._client = client or DashboardClient.build_for_this_cluster(self._config.source_timeout_s)
        here = here or RayReplica()
        self._session = here.session
        history = connect(JobStore, store, timeout_s=_STORE_TIMEOUT_S, retries=1) if store is not None else None
        self._settings = LiveSettings(parts.INSPECTOR, InspectorConfig, _read_settings, history)
        recorder = Recorder(history, here.session, now, place=here.place) if history is not None else None
        self._archive = Archive(history, None if recorder is None else recorder.let_go)
        self._watch = JobWatch(self._client, here, recorder, now, clock, deployed_http=deployed_http)
        rules = management or JobManagement()
        self._actions = Actions(
            self._client,
            self._watch.require,
            rules,
            now=now,
            report_change=self._watch.outdate,
            list_drivers=self._watch.list_drivers,
            find_diagnosis=lambda row: self._diagnoses.find_known(row),
            restore_judgement=self._archive.restore_judgement,
        )
        self._logs = Logs(self._client, self._watch.require, lambda: self._config, now=now)
        questions = JobQuestions(self._client, self._logs.read_growth)
        attempts = AttemptQuestions(self._client, here.find_agent_address)
        seeker = CircleSeeker(attempts, build_code_chooser(lambda: self._catalogue))
        keeper = None if history is None else TrailArchive(history, here.session)
        sweep = Sweep(self._client, attempts.ask_attempts)
        self._rounds = Rounds(
            self._watch, sweep, questions, HeadReader(), now, seeker=seeker, keeper=keeper, clock=clock
        )
        self._watch.provide_motions(self._rounds)
        self._stillnesses = Stillnesses(self._watch, questions, self._rounds, now)
        self._stacks = StackAnswers(self._watch, questions, now)
        self._explainer = explainer or Explainer(ModelSettings.read(env))
        self._diagnoses = Diagnoses(
            self._watch,
            self._archive,
            EvidenceGatherer(self._client, here.find_agent_address, self._archive.read_kept_log, clock=clock),
            self._diagnose,
            history,
            self._stillnesses,
            self._explainer,
            now=now,
            clock=clock,
        )
        self._deployments = Deployments(self._client, here.find_agent_address, self._diagnose, here.application, clock)
        holdings = Holdings(self._client, self._rounds, now)
        troubles = DeploymentTroubles(history, here.application, clock)
        self._jobs = JobAnswers(
            self._watch, self._archive, self._client, here, parts.ALL, self._diagnoses, holdings, troubles
        )
        expected = code_version or read_own_version()
        versions = Versions(expected, here.application, lambda name: here.tell_versions(name), clock)
        self._cluster = ClusterAnswers(self._watch, here, versions, now, troubles)
        observe = JobMetrics(self._watch, self._archive).read_observed
        self._measuring = Sampler(self._client.list_node_use, observe, history, now, publish=choose_publisher())
        backlogs: list[Backlog] = [Automatic(self._diagnoses, now)]
        if history is not None:
            backlogs.append(Excerpts(self._logs, history))
        for backlog in backlogs:
            self._watch.subscribe(backlog.offer)
        # Closed in the opposite order: the looks end before those who are told of them.
        self._workers = Workers(*backlogs, self._watch, self._rounds, self._measuring)

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Take a new ``user_config``, or keep the last good one; Serve calls this once after the start, which begins
        the watch.
        """
        config, self._catalogue = await self._settings.take(user_config)
        self._config = config
        self._client.timeout_s = config.source_timeout_s
        self._watch.configure(config)
        self._rounds.config = config
        self._workers.start()

    async def check_health(self) -> None:
        """Fail only when a worker has ended: that Ray does not answer is no reason to replace this replica.

        They are begun here where Serve has not called ``reconfigure``, which it does not with an empty ``user_config``.
        """
        self._workers.start()
        self._workers.require_alive()

    async def close(self) -> None:
        """Stop looking, write what is left, and close connections."""
        await self._settings.close()
        await self._stillnesses.close()
        await self._workers.close()
        await self._diagnoses.close()
        await self._explainer.close()
        await self._client.close()

    def __del__(self) -> Coroutine[Any, Any, None] | None:
        """Serve awaits what this returns when it stops the replica; Python calls it again when that is done."""
        watch: JobWatch | None = getattr(self, "_watch", None)
        return self.close() if watch is not None and watch.is_running else None

    async def deployment_diagnosis(self, name: str, failed: bool) -> dict[str, DiagnosisView | None]:
        """Why a deployment of this application does not start or answer: ``{"diagnosis": {...} | None}``."""
        return {"diagnosis": await self._deployments.diagnose(name, failed=failed)}

    async def summary(self, query: PlainQuery) -> JobsSummaryAnswer:
        """The guide's five figures over a window."""
        told = await self._jobs.answer_figures(query)
        return {**told, **self._measuring.summarize(told["window"])}

    async def alert_inputs(self) -> AlertInputs:
        """See ``JobAnswers``."""
        return {**await self._jobs.answer_alert_inputs(), **self._measuring.collect_alert_inputs()}

    async def record_responses(self, delta: Mapping[str, Any]) -> dict[str, bool]:
        """What an ingress replica has answered since it last said so."""
        return self._measuring.take_responses(delta)

    async def take_events(self, events: Sequence[RayEvent]) -> EventsAnswer:
        """Events that Ray pushed: the next look comes at once, and tells what has happened."""
        return {"told": self._watch.take_events(events)}

    async def delete_job(self, id: str) -> DeleteAnswer:
        """From Ray and from the history; a job that only the history knows from there."""
        if await self._watch.find(id) is None:
            return await self._actions.delete_past(id, self._archive, self._session)
        key = (await self._watch.require(id))[0].key
        deleted = await self._actions.delete(id)
        await self._archive.forget(key)
        self._diagnoses.forget(key)
        return deleted

    async def job_log(self, id: str, lines: int) -> LogAnswer:
        """See ``Logs``; of a job of an earlier session, or whose node is gone, the excerpt that was kept."""
        return await self._read_log(id, lines, all_runs=False)

    async def whole_log(self, id: str, lines: int) -> LogAnswer:
        """The same with what earlier runs with its id wrote into the file."""
        return await self._read_log(id, lines, all_runs=True)

    async def _read_log(self, id: str, lines: int, *, all_runs: bool) -> LogAnswer:
        found = await self._watch.find(id)
        if found is None and (kept := await self._jobs.answer_kept_log(id, lines)) is not None:
            return kept
        try:
            return await self._logs.read_tail(id, lines, all_runs=all_runs)
        except (NotFound, Unavailable):
            # Of this run: the history may know others with its id.
            kept = await self._jobs.answer_kept_log(id if found is None else found[1].run, lines)
            if kept is None or not kept["lines"]:
                raise
            return kept

    async def cluster_nodes(self) -> NodePage:
        """See ``ClusterAnswers``; each node with what it really uses."""
        return self._measuring.add_use(await self._cluster.answer_nodes())

    def _diagnose(self, fields: Fields, sources: Sequence[TextSource]) -> Diagnosis:
        """The engine, with the signatures that are configured now; blocks."""
        return diagnose(fields, sources, catalogue=self._catalogue)


def _read_settings(user_config: Mapping[str, Any]) -> tuple[InspectorConfig, Catalogue]:
    config = InspectorConfig.model_validate(user_config)
    return config, build_catalogue(config.signatures)
