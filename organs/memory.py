"""Keeps an agent's state durable, without ever delaying a task.

A replica claims its agent's state, which raises the agent's epoch; from then on a write under an older epoch changes
nothing. A store that is down delays the claim, not the agent: it serves from a fresh state, and what happened
meanwhile is added to the restored state when the claim succeeds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Literal, Protocol

from organs.agent import AgentState, TaskRecord
from organs.models import OrganConfig
from organs.skills.contract import SkillError

log = logging.getLogger("ray.serve.seedcore")

FIRST_CLAIM_TIMEOUT_S = 2.0
# Longer than the organs' `graceful_shutdown_timeout_s` (``serve_app.main``), after which Serve ends a replica anyway,
# and the time until it is stopped, since its successor is started first.
SUCCESSION_S = 60.0
# A new version stops the store in the same moment as the agents, and the next one is there some seconds later.
LAST_FLUSH_TIMEOUT_S = 20.0
_LOOK_AGAIN_S = 0.5
_LONGEST_PAUSE_S = 10.0


SaveOutcome = Literal["saved", "fenced", "missing"]


class AgentStore(Protocol):
    """What is needed of the store; every method raises ``SkillError`` when it cannot answer."""

    async def claim_agent(self, agent_id: str, organ_id: str, owner: str) -> dict[str, Any]: ...

    async def save_agent(self, agent_id: str, epoch: int, state: dict[str, Any]) -> SaveOutcome: ...


class AgentMemory:
    """The state of one agent in this replica, and its copy in the store."""

    def __init__(
        self,
        agent_id: str,
        organ_id: str,
        owner: str,
        store: AgentStore,
        config: OrganConfig,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.agent_id = agent_id
        self.state = AgentState()
        self.epoch = 0
        self.restored = False
        self.fenced = False
        self.config = config
        self._organ_id = organ_id
        self._owner = owner
        self._store = store
        self._sleep = sleep
        self._was_claimed = False
        self._succeeds = False
        # Of what happened before a claim, the newest tasks, and how many there were before those.
        self._unclaimed: list[TaskRecord] = []
        self._uncounted = [0, 0]
        self._dirty = False

    async def claim(self) -> bool:
        """Try once to take over the stored state; False when the store cannot be reached now."""
        try:
            claimed = await self._store.claim_agent(self.agent_id, self._organ_id, self._owner)
        except SkillError as error:
            log.warning(
                "agent not claimed: %s", error.detail, extra={"action": "agent_claim_failed", "agent_id": self.agent_id}
            )
            return False
        self.epoch, self._was_claimed = claimed["epoch"], True
        stored = claimed["state"]
        if stored is not None:
            self._restore(stored)
        self._unclaimed, self._uncounted = [], [0, 0]
        log.info(
            "agent claimed",
            extra={
                "action": "agent_claimed",
                "agent_id": self.agent_id,
                "epoch": self.epoch,
                "restored": self.restored,
            },
        )
        return True

    def succeed(self, count_predecessors: Callable[[], Awaitable[int]]) -> Coroutine[Any, Any, None]:
        """Claim when the replica that had this agent is gone, then keep the state.

        A replica that Serve stops still ends its tasks, and writes at its end what they brought: to claim before would
        fence that. Meanwhile this one serves as it does while the store is down.
        """
        self._succeeds = True
        return self._succeed(count_predecessors)

    def record(self, task: TaskRecord) -> None:
        """Take in the outcome of a task."""
        self.state = self._advance(self.state, task)
        self._dirty = True
        if not self.epoch:
            self._unclaimed.append(task)
            for forgotten in self._unclaimed[: -self.config.history_limit]:
                self._uncounted[0] += 1
                self._uncounted[1] += int(forgotten.success)
            self._unclaimed = self._unclaimed[-self.config.history_limit :]

    def inherit(self, other: AgentMemory) -> bool:
        """Take what another agent of this replica did without having been claimed; False when it was claimed once.

        A replica that Serve starts while its predecessor ends is given a rank beyond the wanted number, and the
        predecessor's own a moment later: what it did meanwhile is that agent's.
        """
        if other._was_claimed:
            return False
        self.state = self.state.count(*other._uncounted)
        self._uncounted = list(other._uncounted)
        for task in other._unclaimed:
            self.record(task)
        return True

    async def keep(self) -> None:
        """Claim until claimed, then write what has changed, once a period, until fenced or cancelled."""
        pause_s = self.config.checkpoint_period_s
        while not self.fenced:
            await self._sleep(pause_s)
            reached = bool(self.epoch) or await self.claim()
            if reached:
                reached = await self.flush()
            period_s = self.config.checkpoint_period_s
            pause_s = period_s if reached else min(max(pause_s, period_s) * 2, _LONGEST_PAUSE_S)

    async def flush(self) -> bool:
        """Write the state if it has changed; False when the store could not be reached, and then it stays changed."""
        if not self._dirty or not self.epoch or self.fenced:
            return True
        self._dirty = False
        said = None
        try:
            said = await self._store.save_agent(self.agent_id, self.epoch, self.state.to_json())
        except SkillError as error:
            log.warning(
                "agent not saved: %s", error.detail, extra={"action": "agent_save_failed", "agent_id": self.agent_id}
            )
            return False
        finally:
            # Also when cancelled half-way: whoever cancelled a checkpoint flushes next, and must find it unwritten.
            self._dirty = self._dirty or said is None
        if said == "fenced":
            self.fenced = True
            log.error(
                "agent fenced: another replica has taken it over",
                extra={"action": "agent_fenced", "agent_id": self.agent_id, "epoch": self.epoch},
            )
        elif said == "missing":
            self.epoch, self._dirty = 0, True
        return True

    async def finish(self, count_predecessors: Callable[[], Awaitable[int]]) -> None:
        """Write what is left, again and again until the store has it; cancelled by whoever has no more time.

        A successor that is stopped itself before its predecessor was gone still waits for that, as in ``succeed``.
        """
        while self._dirty and self._succeeds and await count_predecessors():
            await self._sleep(_LOOK_AGAIN_S)
        while not await self._settle():
            await self._sleep(_LOOK_AGAIN_S)

    async def _succeed(self, count_predecessors: Callable[[], Awaitable[int]]) -> None:
        waited_s = 0.0
        while waited_s < SUCCESSION_S and await count_predecessors():
            await self._sleep(_LOOK_AGAIN_S)
            waited_s += _LOOK_AGAIN_S
        self._succeeds = False
        await self.claim()
        await self.keep()

    async def _settle(self) -> bool:
        if self.is_written:
            return True
        # A state that is gone from the store is claimed anew, and then it has to be written still.
        return bool(self.epoch or await self.claim()) and await self.flush() and self.is_written

    @property
    def is_written(self) -> bool:
        """Whether the store has all that is to be remembered, as far as this replica may write it."""
        return not self._dirty or self.fenced

    def _restore(self, stored: dict[str, Any]) -> None:
        try:
            state = AgentState.from_json(stored)
        except ValueError as error:
            log.error(
                "%s; it starts anew", error, extra={"action": "agent_state_unreadable", "agent_id": self.agent_id}
            )
            return
        state = state.count(*self._uncounted)
        for task in self._unclaimed:
            state = self._advance(state, task)
        self.state = state
        self.restored = True

    def _advance(self, state: AgentState, task: TaskRecord) -> AgentState:
        return state.record(task, smoothing=self.config.smoothing, history_limit=self.config.history_limit)
