"""The organism manager: it keeps comparing wanted with actual, and has initialization done by a Ray job.

It is never on the way of a task. It holds no state that cannot be seen again: after a restart it looks, and goes on.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from typing import Any

import ray
from ray import serve
from ray.serve.handle import DeploymentHandle

from organs.live.settings import LiveSettings, SettingsStore
from organs.models import OrganSpec
from organs.replica import Versioned
from organs.times import format_time
from serve_app import parts
from serve_app.background import Loop
from serve_app.cluster.dashboard import DashboardClient
from serve_app.cluster.handles import connect
from serve_app.env import Env
from serve_app.errors import AppError
from serve_app.organism.observation import Observation, observe
from serve_app.organism.questions import RunHistory
from serve_app.organism.reconcile import Initialization, compute_generation, decide, is_due
from serve_app.organism.settings import ManagerConfig
from serve_app.organism.submission import build_payload, name_submission, parse_submissions
from serve_app.schemas.organism import InitializationView, InitializeDone, OrganismStatus
from serve_app.tokens.environment import hold_environment

log = logging.getLogger("ray.serve.seedcore")

_FRESH_FOR_S = 1.0
_PATIENCE_S = 1.0
# Longer than the store's own deadline, so that its sentence arrives and not ours.
_STORE_TIMEOUT_S = 6.0
_DASHBOARD_TIMEOUT_S = 5.0


class OrganismManager(Versioned):
    """One replica on the head node: status of the organism, and its initialization."""

    def __init__(
        self,
        specs: tuple[OrganSpec, ...],
        organs: dict[str, DeploymentHandle],
        store: DeploymentHandle,
        inspector: DeploymentHandle,
    ) -> None:
        hold_environment(Env.read())
        self._specs = specs
        self._organs = organs
        self._runs = connect(RunHistory, store, timeout_s=_STORE_TIMEOUT_S, retries=1)
        self._inspector = inspector
        self._config = ManagerConfig()
        keeper = connect(SettingsStore, store, timeout_s=_STORE_TIMEOUT_S, retries=1)
        self._settings = LiveSettings(parts.MANAGER, ManagerConfig, ManagerConfig.model_validate, keeper)
        self._dashboard = DashboardClient.build_for_this_cluster(_DASHBOARD_TIMEOUT_S)
        self._application = serve.get_replica_context().app_name
        # A new head has new agents and an empty job list, so what was initialized before it says nothing about it.
        self._generation = compute_generation(specs, ray.get_runtime_context().get_node_id())
        self._started = time.monotonic()
        self._observation: Observation | None = None
        self._initialization = Initialization("due", "Initialization has not been looked at yet.")
        self._looking = asyncio.Lock()
        self._submitting = asyncio.Lock()
        self._asked_look: asyncio.Task[Observation] | None = None
        self._loop = Loop("the reconcile loop", self._reconcile_for_ever)
        self._trouble: str | None = None

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Take a new ``user_config``, or keep the last good one; Serve calls this once after the start, which begins
        the loop.
        """
        self._config = await self._settings.take(user_config)
        self._loop.start()

    async def check_health(self) -> None:
        """Fail when the loop has died, so that Serve starts a manager that reconciles.

        It is begun here where Serve has not called ``reconfigure``, which it does not with an empty ``user_config``.
        """
        self._loop.start()
        self._loop.require_alive()

    async def status(self) -> OrganismStatus:
        """The organs as seen at most a second ago, or last if a look takes long, and where initialization stands."""
        seen = await self._get_observation()
        return {
            "organs": list(seen.organs),
            "initialization": _render_public(self._initialization),
            "as_of": format_time(seen.taken_at),
        }

    async def initialize(self, force: bool) -> InitializeDone:
        """As ``initialize_once``, for an ingress of the version before, which does not know its requests apart."""
        return await self.initialize_once(force, secrets.token_hex(8))

    async def initialize_once(self, force: bool, request: str) -> InitializeDone:
        """Submit the initialization job unless one runs or nothing is due; the same id while one runs, and for the same
        ``request``. Raises what the store raises when it cannot be written: the job could not either.
        """
        async with self._submitting:
            submission_id = name_submission(request)
            rows, _ = await asyncio.gather(self._dashboard.list_jobs(), self._runs.ping())
            if any(row.get("submission_id") == submission_id for row in rows):
                return {
                    "submission_id": submission_id,
                    "state": "submitted",
                    "message": "Initialization was submitted.",
                }
            now = await self._get_initialization()
            if now.state == "running":
                return {"submission_id": now.submission_id, "state": "running", "message": "Initialization is running."}
            if now.state == "succeeded" and not force:
                return {
                    "submission_id": now.submission_id,
                    "state": "initialized",
                    "message": "Organism already initialized",
                }
            await self._submit(submission_id, force=force)
        return {"submission_id": submission_id, "state": "submitted", "message": "Initialization was submitted."}

    async def wanted(self) -> dict[str, Any]:
        """What the initialization job shall find: organs, the generation to record, its time limit."""
        return {
            "organs": [spec.model_dump() for spec in self._specs],
            "generation": self._generation,
            "timeout_s": self._config.initialization_timeout_s,
            "probe_timeout_s": self._config.probe_timeout_s,
        }

    async def _reconcile_for_ever(self) -> None:
        while True:
            try:
                await self._reconcile()
                self._note(None)
            except AppError as error:
                # Whatever could not be asked this time is asked again the next; the loop itself must not end.
                self._note(error.detail)
            await asyncio.sleep(self._config.reconcile_period_s)

    def _note(self, trouble: str | None) -> None:
        """Say once when reconciling begins to fail, and once when it goes on."""
        if trouble is not None and self._trouble is None:
            log.warning("reconciling waits: %s", trouble, extra={"action": "reconcile_waits"})
        elif trouble is None and self._trouble is not None:
            log.info("reconciling goes on", extra={"action": "reconcile_goes_on"})
        self._trouble = trouble

    async def _reconcile(self) -> None:
        seen = await self._look()
        async with self._submitting:
            self._initialization = await self._get_initialization()
            if is_due(self._initialization, seen.organs, time.monotonic() - self._started):
                await self._submit(name_submission(secrets.token_hex(8)), force=False)

    async def _get_observation(self) -> Observation:
        """Organs that hang make a look long. Who asks has a deadline, and must learn of them even then."""
        # All who ask wait for the same one: there are never more than that and the loop's own.
        looking = self._asked_look
        if looking is None or looking.done():
            looking = self._asked_look = asyncio.create_task(self._look())
        await asyncio.wait({looking}, timeout=_PATIENCE_S)
        last = self._observation
        return last if last is not None and not looking.done() else await looking

    async def _look(self) -> Observation:
        """One look at a time; whoever comes meanwhile gets the same."""
        async with self._looking:
            if self._observation is None or time.monotonic() - self._observation.taken_monotonic > _FRESH_FOR_S:
                self._observation = await observe(
                    self._specs, self._organs, self._inspector, self._config.probe_timeout_s
                )
            return self._observation

    async def _get_initialization(self) -> Initialization:
        recorded, rows = await asyncio.gather(
            self._runs.latest_initialization(self._generation), self._dashboard.list_jobs()
        )
        return decide(
            recorded,
            parse_submissions(rows, self._generation),
            attempts_allowed=self._config.initialization_attempts,
            enabled=self._config.initialize_on_start,
        )

    async def _submit(self, submission_id: str, *, force: bool) -> None:
        payload = build_payload(
            submission_id,
            application=self._application,
            generation=self._generation,
            force=force,
            limit_s=self._config.initialization_timeout_s,
            runtime_env=dict(ray.get_runtime_context().runtime_env),
        )
        await self._dashboard.submit_job(payload)
        self._initialization = Initialization("running", "The initialization job was submitted.", submission_id)
        log.info(
            "initialization job submitted",
            extra={"action": "initialization_submitted", "submission_id": submission_id, "forced": force},
        )


def _render_public(now: Initialization) -> InitializationView:
    return {
        "state": now.state,
        "submission_id": now.submission_id,
        "sentence": now.sentence,
        "started_at": now.started_at,
        "ended_at": now.ended_at,
        "attempts": now.attempts,
        "succeeded_before": now.succeeded_before,
    }
