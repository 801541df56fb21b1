"""The initialization job: a Ray job of its own, ``python -m serve_app.organism.initialization``.

It reaches every agent of every organ, checks them against the configuration, has each organ do one self-test task,
records each organ in the store, and exits 0; or non-zero with a sentence saying which organ is missing what. An organ
that an earlier run of the same generation has done is checked, not tested again, so a run that was killed half-way is
completed by the next.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ray import serve
from ray.serve.handle import DeploymentHandle

from organs.models import OrganSpec
from serve_app.cluster.handles import collect, connect
from serve_app.errors import AppError
from serve_app.organism.questions import OrganReplica, RunRecord, SelfTester, ServeObserver, Wishes
from serve_app.organism.reconcile import describe_missing
from serve_app.parts import INSPECTOR, MANAGER, STORE
from serve_app.schemas.cluster import DeploymentView

P = TypeVar("P")

log = logging.getLogger("seedcore.initialization")

_CALL_TIMEOUT_S = 10.0
_SELF_TEST_TIMEOUT_S = 20.0
_LOOK_AGAIN_S = 0.5


class NotInitialized(Exception):
    """Something is missing; the sentence says which organ and what."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m serve_app.organism.initialization", description=__doc__)
    parser.add_argument("--application", default="seedcore", help="name of the Serve application")
    parser.add_argument("--submission-id", required=True, help="id under which this run is recorded")
    parser.add_argument("--force", action="store_true", help="test every organ again")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
    try:
        asyncio.run(initialize(arguments.application, arguments.submission_id, force=arguments.force))
    except NotInitialized as error:
        log.error("Not initialized: %s", error)
        return 1
    except AppError as error:
        log.error("Not initialized: %s", error.detail)
        return 2
    return 0


async def initialize(application: str, submission_id: str, *, force: bool) -> None:
    """Do the job; raises ``NotInitialized`` or the ``AppError`` of the part that could not be reached."""
    wanted = await _ask(Wishes, MANAGER, application).wanted()
    record = _ask(RunRecord, STORE, application)
    specs = [OrganSpec.model_validate(each) for each in wanted["organs"]]
    generation, deadline = wanted["generation"], time.monotonic() + wanted["timeout_s"]

    begun = await record.begin_initialization(submission_id, generation, force)
    if begun["state"] == "already_succeeded":
        log.info("Nothing to do: this organism is initialized.")
        return
    sentence = "The job ended without an outcome."
    succeeded = False
    try:
        run = _Run(application, submission_id, generation, record, wanted["probe_timeout_s"], deadline)
        problems = [problem for spec in specs if (problem := await run.run_organ(spec, begun["steps"].get(spec.id)))]
        if problems:
            sentence = "; ".join(problems) + "."
            raise NotInitialized(sentence)
        succeeded, sentence = True, f"{len(specs)} organs are there, with every agent that is wanted now."
    except AppError as error:
        sentence = error.detail
        raise
    finally:
        await record.finish_initialization(submission_id, succeeded, sentence)
    log.info("Initialized: %s", sentence)


def _ask(protocol: Callable[..., P], part: str, application: str) -> P:
    """A client of a part; every question of the job may be asked again when a replica is lost."""
    handle = serve.get_deployment_handle(part, application)
    return connect(protocol, handle, timeout_s=_CALL_TIMEOUT_S, retries=2)


class _Run:
    """One run of the job over the organs."""

    def __init__(
        self,
        application: str,
        submission_id: str,
        generation: str,
        record: RunRecord,
        probe_timeout_s: float,
        deadline: float,
    ) -> None:
        self._application = application
        self._submission_id = submission_id
        self._generation = generation
        self._record = record
        inspector = serve.get_deployment_handle(INSPECTOR, application)
        self._observer = connect(ServeObserver, inspector, timeout_s=_CALL_TIMEOUT_S)
        self._probe_timeout_s = probe_timeout_s
        self._deadline = deadline

    async def run_organ(self, spec: OrganSpec, done: dict[str, Any] | None) -> str | None:
        """Check one organ, test it unless that is done, record it; returns what is missing as a sentence, or None."""
        handle = serve.get_deployment_handle(spec.id, self._application)
        problem, agent_ids = await self._wait_for_agents(spec, handle)
        if problem is not None:
            log.info("%s", problem)
            return problem
        if not agent_ids:
            log.info("%s: asleep, scaled to zero as configured; it is not woken for a test", spec.id)
            return None
        if done is not None:
            log.info("%s: done before; %d agents answer", spec.id, len(agent_ids))
            return None
        try:
            test = await connect(SelfTester, handle, timeout_s=_SELF_TEST_TIMEOUT_S, retries=1).self_test()
        except AppError as error:
            return f"{spec.id}: the self-test task was not answered ({error.detail})"
        if not test["success"]:
            return f"{spec.id}: the self-test task {test['skill']} failed ({test['detail']})"
        await self._record.record_initialization_step(self._submission_id, self._generation, spec.id, agent_ids, test)
        log.info(
            "%s: %d agents answer; self-test %s passed in %.3f s",
            spec.id,
            len(agent_ids),
            test["skill"],
            test["duration_s"],
        )
        return None

    async def _wait_for_agents(self, spec: OrganSpec, handle: DeploymentHandle) -> tuple[str | None, list[str]]:
        """Look until all agents are there, no node can hold them, or the time of the job is up."""
        while True:
            agents, told = await asyncio.gather(
                collect(handle, OrganReplica.status, timeout_s=self._probe_timeout_s), self._ask_serve(spec.id)
            )
            problem = describe_missing(spec, agents, told)
            shortage = None if told is None else told.get("shortage")
            hopeless = problem is not None and shortage is not None and shortage["hopeless"]
            if problem is None or hopeless or time.monotonic() + _LOOK_AGAIN_S > self._deadline:
                asleep = told is not None and told["target_num_replicas"] == 0
                return problem, [] if asleep else sorted(agent["agent_id"] for agent in agents)
            await asyncio.sleep(_LOOK_AGAIN_S)

    async def _ask_serve(self, organ_id: str) -> DeploymentView | None:
        try:
            return (await self._observer.serve_details()).get(organ_id)
        except AppError:
            return None


if __name__ == "__main__":
    raise SystemExit(main())
