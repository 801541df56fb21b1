"""The job inspector: it looks at the cluster from inside, and answers what it saw.

One replica on the head node. It is a Ray worker already, so looking makes no job, and nobody else has to look. Its
methods only hand on: ``Watch`` looks and judges, ``JobAnswers`` and ``ClusterAnswers`` make the answers.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial
from typing import Any

from ray.serve.handle import DeploymentHandle

from serve_app.cluster.dashboard import DashboardClient
from serve_app.env import Env
from serve_app.errors import NotFound, Unavailable
from serve_app.jobs.actions.actions import Actions
from serve_app.jobs.actions.settings import JobManagement
from serve_app.jobs.answers.cluster import ClusterAnswers
from serve_app.jobs.answers.jobs import JobAnswers
from serve_app.jobs.answers.metrics import JobMetrics
from serve_app.jobs.diagnosis.automatic import Automatic
from serve_app.jobs.diagnosis.catalogue.team import catalogue_with
from serve_app.jobs.diagnosis.deployments import Deployments
from serve_app.jobs.diagnosis.engine.diagnose import diagnose
from serve_app.jobs.diagnosis.evidence.gather import Gathering
from serve_app.jobs.diagnosis.service import Diagnoses
from serve_app.jobs.diagnosis.words.model import ModelSettings, ModelWords
from serve_app.jobs.history.store_client import HistoryHandle
from serve_app.jobs.logs.excerpts import Excerpts
from serve_app.jobs.logs.logs import Logs
from serve_app.jobs.progress.questions import JobQuestions
from serve_app.jobs.progress.service import Stillnesses
from serve_app.jobs.progress.stack_answers import StackAnswers
from serve_app.jobs.reading.replica import Here, InReplica
from serve_app.jobs.settings import InspectorConfig
from serve_app.jobs.watch import Watch
from serve_app.metrics.prometheus import publisher
from serve_app.metrics.sampler import Measuring

log = logging.getLogger("ray.serve.seedcore")

Json = dict[str, Any]

# Most diagnoses that one question asks for.
MAX_BRIEFS = 100
# Deployments of this application that are no organs.
PARTS = frozenset({"Ingress", "OrganismManager", "JobInspector", "Store", "Alerts"})


class JobInspector:
    """What the routes and the organism ask about jobs, nodes, actors and Serve. All answers are plain dicts."""

    def __init__(
        self,
        store: DeploymentHandle | None = None,
        client: DashboardClient | None = None,
        here: Here | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
        management: JobManagement | None = None,
        words: ModelWords | None = None,
    ) -> None:
        """Serve gives the store and the rules of management; tests give the others."""
        self._client = client or DashboardClient.for_this_cluster(InspectorConfig().source_timeout_s)
        here = here or InReplica()
        history = HistoryHandle(store) if store is not None else None
        self._watch = Watch(self._client, here, history, now, clock)
        gathering = Gathering(self._client, here.agent_address, self._watch.archive.kept_log, clock=clock)
        self._diagnoses = Diagnoses(
            self._watch, self._watch.archive, gathering, diagnose, history, now=now, clock=clock
        )
        self._words = words or ModelWords(ModelSettings.of(Env.read()))
        self._deployments = Deployments(self._client, here.agent_address, diagnose, here.application, clock)
        self._watch.automatic = Automatic(self._diagnoses, now)
        self._jobs = JobAnswers(self._watch, self._client, here, PARTS, self._diagnoses)
        self._cluster = ClusterAnswers(self._watch, here, now)
        observe = JobMetrics(self._watch).observed
        self._measuring = Measuring(self._client.node_use, observe, history, now, publish=publisher())
        self._actions = Actions(self._client, self._watch.require, management or JobManagement(), now=now)
        self._logs = Logs(self._client, self._watch.require, lambda: self._watch.config, now=now)
        questions = JobQuestions(self._client, self._logs.grown)
        self._stillnesses = Stillnesses(self._watch, questions, now)
        self._diagnoses.stillnesses = self._stillnesses
        self._stacks = StackAnswers(self._watch, questions, now)
        if history is not None:
            self._watch.excerpts = Excerpts(self._logs, history)

    async def reconfigure(self, user_config: Json) -> None:
        """Take a new ``user_config``; Serve calls this once after the start, which begins the watch."""
        config = InspectorConfig.model_validate(user_config)
        self._client.timeout_s = config.source_timeout_s
        self._watch.configure(config)
        engine = partial(diagnose, catalogue=catalogue_with(config.signatures))
        self._diagnoses.engine = self._deployments.engine = engine
        self._measuring.start()

    async def check_health(self) -> None:
        """Fail only when the watch has died: that Ray does not answer is no reason to replace this replica."""
        self._watch.require_alive()
        self._measuring.require_alive()

    async def close(self) -> None:
        """Stop looking, write what is left, and close connections."""
        await self._stillnesses.close()
        await self._measuring.close()
        await self._watch.close()
        await self._diagnoses.close()
        await self._words.close()
        await self._client.close()

    def __del__(self) -> Coroutine[Any, Any, None] | None:
        """Serve awaits what this returns when it stops the replica; Python calls it again when that is done."""
        watch: Watch | None = getattr(self, "_watch", None)
        return self.close() if watch is not None and watch.latest.is_running else None

    async def list_jobs(self, query: Json) -> Json:
        """See ``JobAnswers``."""
        return await self._jobs.list_jobs(query)

    async def get_job(self, job_or_submission_id: str) -> Json:
        """See ``JobAnswers``."""
        return await self._jobs.get_job(job_or_submission_id)

    async def diagnosis(self, job_or_submission_id: str, by_model: bool = False) -> Json:
        """See ``Diagnoses``; with an ``explanation`` in words, a model's when that is wished and one answers."""
        answer = await self._diagnoses.of(job_or_submission_id)
        found = answer["diagnosis"]
        words = None if found is None else await self._words.explanation(found, by_model=by_model)
        return {**answer, "explanation": words}

    async def diagnoses(self, keys: list[str]) -> Json:
        """Of jobs whose diagnosis was made, by ``session/id``: code, title, one line of evidence, the first advice."""
        return {"items": await self._diagnoses.briefs(keys[:MAX_BRIEFS])}

    async def deployment_diagnosis(self, name: str, failed: bool) -> Json:
        """Why a deployment of this application does not start or answer: ``{"diagnosis": {...} | None}``."""
        return {"diagnosis": await self._deployments.of(name, failed=failed)}

    async def current(self) -> Json:
        """See ``JobAnswers``."""
        return await self._jobs.current()

    async def summary(self, query: Json) -> Json:
        """The guide's five figures over a window."""
        told = await self._jobs.figures(query)
        return {**told, **self._measuring.summary(told["window"])}

    async def hierarchy(self, query: Json) -> Json:
        """See ``JobAnswers``."""
        return await self._jobs.hierarchy(query)

    async def lifecycle(self) -> Json:
        """See ``JobAnswers``."""
        return await self._jobs.lifecycle()

    async def alert_inputs(self) -> Json:
        """See ``JobAnswers``."""
        return {**await self._jobs.alert_inputs(), **self._measuring.alert_inputs()}

    async def record_responses(self, delta: Json) -> Json:
        """What an ingress replica has answered since it last said so."""
        return self._measuring.take_responses(delta)

    async def findings(self) -> Json:
        """See ``JobAnswers``."""
        return await self._jobs.findings()

    async def take_events(self, events: list[Any]) -> Json:
        """Events that Ray pushed: they count at once, and the next look comes at once."""
        return {"told": self._watch.take_events(events)}

    async def submit_job(self, body: Json) -> Json:
        """See ``Actions``."""
        return await self._actions.submit(body)

    async def stop_job(self, id: str, wait_s: float) -> Json:
        """See ``Actions``."""
        return await self._actions.stop(id, wait_s)

    async def retry_job(self, id: str, force: bool) -> Json:
        """See ``Actions``."""
        return await self._actions.retry(id, force)

    async def delete_job(self, id: str) -> Json:
        """From Ray and from the history; a job that only the history knows from there."""
        if await self._watch.find(id) is None:
            return await self._actions.delete_past(id, self._watch.archive, self._watch.session)
        key = (await self._watch.require(id))[0].key
        deleted = await self._actions.delete(id)
        await self._watch.archive.forget(key)
        self._diagnoses.forget(key)
        self._watch.latest.nudge()
        return deleted

    async def job_log(self, id: str, lines: int) -> Json:
        """See ``Logs``; of a job of an earlier session, or whose node is gone, the excerpt that was kept."""
        if await self._watch.find(id) is None and (kept := await self._jobs.kept_log(id, lines)) is not None:
            return kept
        try:
            return await self._logs.tail(id, lines)
        except (NotFound, Unavailable):
            kept = await self._jobs.kept_log(id, lines)
            if kept is None or not kept["lines"]:
                raise
            return kept

    async def job_stacks(self, id: str) -> Json:
        """See ``StackAnswers``."""
        return await self._stacks.of(id)

    async def follow_log(self, id: str, lines: int, after: int | None) -> AsyncIterator[Json]:
        """See ``Logs``."""
        async with aclosing(self._logs.follow(id, lines, after)) as items:
            async for item in items:
                yield item

    async def ray_status(self) -> Json:
        """See ``ClusterAnswers``."""
        return await self._cluster.ray_status()

    async def cluster_resources(self) -> Json:
        """See ``ClusterAnswers``."""
        return await self._cluster.resources()

    async def cluster_nodes(self) -> Json:
        """See ``ClusterAnswers``; each node with what it really uses."""
        return self._measuring.with_use(await self._cluster.nodes())

    async def cluster_actors(self, query: Json) -> Json:
        """See ``ClusterAnswers``."""
        return await self._cluster.actors(query)

    async def cluster_leftovers(self) -> Json:
        """See ``ClusterAnswers``."""
        return await self._cluster.leftovers()

    async def serve_details(self) -> Json:
        """See ``ClusterAnswers``."""
        return await self._cluster.serve_details()
