"""One replica of an organ: an agent. Tasks come in as plain dicts, and go out as plain dicts."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

import ray
from pydantic import ValidationError
from pydantic_core import PydanticSerializationError, from_json, to_json
from ray import serve
from ray.serve.handle import DeploymentHandle

from organs.agent import TaskRecord, rate_quality
from organs.catalog import ORGAN_TYPES, Catalog
from organs.errors import describe_wrong_values, list_wrong_values
from organs.live.settings import LiveSettings
from organs.memory import FIRST_CLAIM_TIMEOUT_S, LAST_FLUSH_TIMEOUT_S, AgentMemory
from organs.models import AgentStatus, OrganConfig, OrganSpec, TaskMessage, TaskProblem, TaskReply
from organs.ports import Ports
from organs.replica import Versioned
from organs.skills.contract import Outcome, Skill, SkillContext, SkillError, SkillInputError
from organs.times import format_time
from organs.tracing import start_skill_span
from organs.version import read_own_version

log = logging.getLogger("ray.serve.seedcore")

MAX_OUTPUT_BYTES = 1_048_576
MAX_ERRORS = 20
_MAX_LOC_CHARS = 100
_SELF_TEST_TIMEOUT_S = 10.0
_STOP_TIMEOUT_S = 1.0


class Organ(Versioned):
    """Bound once for each entry of ``args.organs``; the type decides the skills."""

    def __init__(
        self, spec: OrganSpec, peers: tuple[OrganSpec, ...], store: DeploymentHandle, jobs: DeploymentHandle
    ) -> None:
        context = serve.get_replica_context()
        self._set_up(spec, peers, Ports.open(store, jobs), context.replica_tag)
        self._node_id = ray.get_runtime_context().get_node_id()

    def _set_up(self, spec: OrganSpec, peers: tuple[OrganSpec, ...], ports: Any, owner: str) -> None:
        self._spec = spec
        self._peers = peers
        self._ports = ports
        self._owner = owner
        self._node_id = ""
        self._config, self._catalog = self._read_settings({})
        self._settings = LiveSettings(spec.id, OrganConfig, self._read_settings, ports.store)
        self._rank = -1
        self._memory = AgentMemory("", spec.id, owner, ports.store, self._config)
        self._keeper: asyncio.Task[None] | None = None
        self._started_at = format_time(datetime.now(UTC))
        self._last_task_at: str | None = None

    async def reconfigure(self, user_config: dict[str, Any], rank: Any) -> None:
        """Take a new ``user_config``, or another rank; Serve calls this after the start too.

        What is not acceptable is refused and told, and the last good one stays in force.
        """
        self._config, self._catalog = await self._settings.take(user_config)
        self._memory.config = self._config
        if rank.rank != self._rank:
            await self._become(rank.rank)

    async def execute(self, task: TaskMessage) -> TaskReply:
        """Do a task within its ``timeout_s``; what a caller can mend comes back as ``problem``, not as an exception."""
        began = time.monotonic()
        try:
            skill = self._catalog.resolve(task["type"])
            outcome, problem = await self._run(skill, task, began)
        except SkillError as error:
            return {"agent_id": self._memory.agent_id, "problem": _describe_error(error)}
        # The agent that this replica is now: it may have become another one while the task ran.
        memory = self._memory
        duration_s = time.monotonic() - began
        success = outcome is not None
        quality = rate_quality(success, outcome.completeness if outcome else 0.0, duration_s, task["timeout_s"])
        self._last_task_at = format_time(datetime.now(UTC))
        memory.record(TaskRecord(skill.name, success, quality, round(duration_s, 6), self._last_task_at))
        if outcome is None:
            return {"agent_id": memory.agent_id, "problem": problem}  # type: ignore[typeddict-item]
        return {
            "agent_id": memory.agent_id,
            "result": {
                "agent_id": memory.agent_id,
                "task_processed": True,
                "success": True,
                "quality": quality,
                "capability_score": memory.state.capability_score,
                "mem_util": memory.state.compute_mem_util(self._config.history_limit),
                "skill": skill.name,
                "output": outcome.output,
                "duration_s": round(duration_s, 6),
            },
        }

    async def ping(self) -> dict[str, Any]:
        """A sign of life, with identity."""
        return {
            "agent_id": self._memory.agent_id,
            "organ_id": self._spec.id,
            "organ_type": self._spec.type,
            "pid": os.getpid(),
        }

    async def status(self) -> AgentStatus:
        """This agent's account of itself."""
        memory, state = self._memory, self._memory.state
        return {
            "agent_id": memory.agent_id,
            "organ_id": self._spec.id,
            "organ_type": self._spec.type,
            "rank": self._rank,
            "replica_id": self._owner,
            "node_id": self._node_id,
            "pid": os.getpid(),
            "epoch": memory.epoch,
            "restored": memory.restored,
            "fenced": memory.fenced,
            "role_probabilities": self._get_role_probabilities(),
            "capability_score": state.capability_score,
            "quality_score": state.quality_score,
            "mem_util": state.compute_mem_util(self._config.history_limit),
            "tasks_processed": state.tasks_processed,
            "tasks_succeeded": state.tasks_succeeded,
            "code_version": read_own_version(),
            "started_at": self._started_at,
            "last_task_at": self._last_task_at,
            "skills": sorted(self._catalog.skills),
        }

    async def self_test(self) -> dict[str, Any]:
        """One real task of this type, the way tasks go; it does not count in the agent's averages."""
        wanted = ORGAN_TYPES[self._spec.type].self_test
        skill, began = self._catalog.resolve(wanted["type"]), time.monotonic()
        task: TaskMessage = {
            "type": wanted["type"],
            "description": wanted["description"],
            "parameters": {},
            "task_id": "self-test",
            "timeout_s": _SELF_TEST_TIMEOUT_S,
        }
        detail = "done"
        try:
            outcome, problem = await self._run(skill, task, began)
            if problem is not None:
                detail = problem["detail"]
        except SkillError as error:
            outcome, detail = None, error.detail
        return {
            "agent_id": self._memory.agent_id,
            "skill": skill.name,
            "success": outcome is not None,
            "duration_s": round(time.monotonic() - began, 6),
            "detail": detail,
        }

    async def check_health(self) -> None:
        """Liveness of the event loop; and a fenced agent must be replaced, since it can no longer remember."""
        if self._memory.fenced:
            raise RuntimeError(f"{self._memory.agent_id} was taken over by another replica")

    async def __del__(self) -> None:
        """Serve awaits this when it stops the replica gracefully: what is not written yet is written."""
        if getattr(self, "_keeper", None) is not None:
            await self._stop_keeping()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LAST_FLUSH_TIMEOUT_S):
                    await self._memory.finish(partial(self._count_predecessors, ending=True, unknown=1))
            if not self._memory.is_written:
                log.error(
                    "what the last tasks brought is not written",
                    extra={"action": "agent_not_written", "agent_id": self._memory.agent_id},
                )

    def _read_settings(self, user_config: Mapping[str, Any]) -> tuple[OrganConfig, Catalog]:
        config = OrganConfig.model_validate(user_config)
        return config, Catalog.load(self._spec.type, config)

    def _get_role_probabilities(self) -> dict[str, float]:
        configured = self._config.role_probabilities
        if configured is None:
            return dict(ORGAN_TYPES[self._spec.type].role_probabilities)
        return {str(role): share for role, share in configured.items()}

    async def _become(self, rank: int) -> None:
        """Take the identity of a rank; the state of the old one stays in the store for whoever gets it."""
        agent_id = f"{self._spec.id}_agent_{rank}"
        memory = AgentMemory(agent_id, self._spec.id, self._owner, self._ports.store, self._config)
        await self._stop_keeping()
        before, self._memory, self._rank = self._memory, memory, rank
        if not memory.inherit(before):
            await self._write_rest(before)
        # Where Serve does not say it, one with the first rank begins at once: better that the record of a task is lost
        # than a state not found. Any other may run beside its predecessor, and waits, which has an end.
        if await self._count_predecessors(unknown=int(rank > 0)):
            self._keeper = asyncio.create_task(memory.succeed(partial(self._count_predecessors, unknown=1)))
            return
        await self._claim(memory)
        self._keeper = asyncio.create_task(memory.keep())

    async def _claim(self, memory: AgentMemory) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FIRST_CLAIM_TIMEOUT_S):
                await memory.claim()

    async def _count_predecessors(self, *, ending: bool = False, unknown: int = 0) -> int:
        """``unknown`` when Serve does not say it in time."""
        try:
            return int(await self._ports.cluster.count_predecessors(self._rank, ending=ending))
        except SkillError:
            return unknown

    async def _stop_keeping(self) -> None:
        """End the keeping of the present state; a checkpoint on its way ends first."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait((self._keeper,), timeout=_STOP_TIMEOUT_S)

    async def _write_rest(self, memory: AgentMemory) -> None:
        """Write what is left of a state, if the store is there."""
        if not memory.epoch:
            await self._claim(memory)
        await memory.flush()

    async def _run(
        self, skill: type[Skill[Any]], task: TaskMessage, began: float
    ) -> tuple[Outcome | None, TaskProblem | None]:
        """Outcome or problem of one run; raises only what is wrong with the request itself."""
        context = SkillContext(
            spec=self._spec,
            agent_id=self._memory.agent_id,
            config=self._config,
            peers=self._peers,
            deadline=began + task["timeout_s"],
            ports=self._ports,
            description=task["description"],
            task_type=task["type"],
            table=self._catalog.table,
            raw_parameters=task["parameters"],
            request=task.get("request", ""),
        )
        limit = asyncio.timeout(task["timeout_s"])
        try:
            given = self._parse_input(skill, task)
            with start_skill_span(skill.name, context.agent_id):
                async with limit:
                    outcome = await skill().run(given, context)
        except SkillError as error:
            if error.status < 500:
                raise
            return None, _describe_error(error)
        except (Exception, SystemExit) as error:  # foreign code runs here: its failure is the task's, told and counted
            if isinstance(error, TimeoutError) and limit.expired():
                return None, {
                    "code": "deadline_exceeded",
                    "status": 504,
                    "detail": f"{skill.name} took longer than {task['timeout_s']:g} s.",
                }
            log.exception(
                "skill failed", extra={"action": "skill_failed", "skill": skill.name, "task_id": task["task_id"]}
            )
            return None, {
                "code": "skill_failed",
                "status": 502,
                "detail": f"{skill.name} failed; the agent's log has the reason.",
            }
        return _check_outcome(skill, outcome)

    def _parse_input(self, skill: type[Skill[Any]], task: TaskMessage) -> Any:
        """A dotted type is taken at its word; a plain word's parameters are only hints for the default skill."""
        try:
            if task["type"] == skill.name:
                return skill.Input.model_validate(task["parameters"])
            known = {name: value for name, value in task["parameters"].items() if name in skill.Input.model_fields}
            with contextlib.suppress(ValidationError):
                return skill.Input.model_validate(known)
            return skill.Input.model_validate({})
        except ValidationError as error:
            raise _describe_invalid(error) from None


def _check_outcome(skill: type[Skill[Any]], outcome: Any) -> tuple[Outcome | None, TaskProblem | None]:
    """An answer that is no outcome, not JSON, or too long, is the skill's failure."""
    if not isinstance(outcome, Outcome) or not isinstance(outcome.completeness, int | float):
        return None, _describe_unusable(skill, "returned something that is no Outcome")
    try:
        encoded = to_json(outcome.output)
        if b"NaN" in encoded or b"Infinity" in encoded:  # as a word of a text, or as a number that JSON does not have
            from_json(encoded, allow_inf_nan=False)
    except (PydanticSerializationError, ValueError):
        return None, _describe_unusable(skill, "returned something that is not JSON")
    if len(encoded) > MAX_OUTPUT_BYTES:
        return None, {
            "code": "output_too_large",
            "status": 502,
            "detail": f"{skill.name} returned {len(encoded)} bytes; {MAX_OUTPUT_BYTES} are allowed.",
        }
    return outcome, None


def _describe_unusable(skill: type[Skill[Any]], how: str) -> TaskProblem:
    return {"code": "skill_failed", "status": 502, "detail": f"{skill.name} {how}."}


def _describe_error(error: SkillError) -> TaskProblem:
    problem: TaskProblem = {"code": error.code, "status": error.status, "detail": error.detail}
    if isinstance(error, SkillInputError) and error.errors:
        problem["errors"] = error.errors
    return problem


def _describe_invalid(error: ValidationError) -> SkillInputError:
    """Where the input is wrong, without what it was; the answer stays short however much is wrong."""
    errors = list_wrong_values(error)[:MAX_ERRORS]
    for each in errors:
        parts = (part if isinstance(part, int) else part[:_MAX_LOC_CHARS] for part in each["loc"])
        each["loc"] = ["parameters", *parts]
    return SkillInputError(describe_wrong_values(errors), errors=errors)
