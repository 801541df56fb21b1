"""The ways out: whatever happens on the other side becomes one sentence, in time."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, Protocol

import pytest
from ray.exceptions import ActorUnavailableError, RayActorError, RayTaskError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, RequestCancelledError
from ray.serve.schema import (
    ApplicationStatus,
    ApplicationStatusOverview,
    DeploymentStatus,
    DeploymentStatusOverview,
    DeploymentStatusTrigger,
    ReplicaState,
    ServeStatus,
)

from organs import ports
from organs.models import OrganConfig
from organs.ports import CALL_TIMEOUT_S, StorePort, connect
from organs.questions import asked
from organs.skills.contract import SkillError
from serve_app.errors import InvalidInput, NotFound, TooBusy, Unavailable
from tests.unit.organs.fakes import FakeOrgan, FakeStore, FakeWays, task


class Response:
    """What a handle returns; it answers, raises, or waits for ever."""

    def __init__(self, answer: Any = None, error: BaseException | None = None, silent: bool = False) -> None:
        self._answer, self._error, self._silent = answer, error, silent
        self.cancelled = False

    def __await__(self) -> Any:
        return self._wait().__await__()

    async def _wait(self) -> Any:
        if self._silent:
            await asyncio.Event().wait()
        if self._error is not None:
            raise self._error
        return self._answer

    def cancel(self) -> None:
        self.cancelled = True


def method(response: Response) -> Any:
    return SimpleNamespace(remote=lambda *_: response)


def wrapped(cause: Exception) -> RayTaskError:
    return RayTaskError("get_job", "Traceback: /a/path", cause)


class Other(Protocol):
    """Whoever is asked."""

    @asked(deadline="timeout_s")
    async def answer(self, timeout_s: float) -> Any: ...


async def ask(part: str, method: Any, timeout_s: float = CALL_TIMEOUT_S) -> Any:
    return await connect(Other, SimpleNamespace(deployment_name=part, answer=method)).answer(timeout_s)


async def test_an_answer() -> None:
    assert await ask("Store", method(Response({"a": 1}))) == {"a": 1}


@pytest.mark.parametrize(
    ("error", "status", "detail"),
    [
        (BackPressureError(num_queued_requests=1, max_queued_requests=1), 503, "The queue of Store is full."),
        (DeploymentUnavailableError(SimpleNamespace(name="Store")), 503, "Store has no replica that answers."),
        (RayActorError(), 503, "Store has no replica that answers."),
        (ActorUnavailableError("gone", b"1" * 16), 503, "Store has no replica that answers."),
        (RequestCancelledError(), 503, "Store has no replica that answers."),
        (NotFound("There is no job 'x'."), 404, "There is no job 'x'."),
        (wrapped(NotFound("There is no job 'x'.")), 404, "There is no job 'x'."),
        (InvalidInput("value is too long."), 422, "value is too long."),
        (Unavailable("The store is unavailable."), 503, "The store is unavailable."),
        (Unavailable("The disk is full.", code="store_full"), 507, "The disk is full."),
        (TooBusy("Too much."), 503, "Too much."),
        (ValueError("a secret at /a/path"), 502, "Store failed; its log has the reason."),
        (wrapped(KeyError("a secret")), 502, "Store failed; its log has the reason."),
        (TimeoutError("the other side's own"), 502, "Store failed; its log has the reason."),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, Exception) else "",
)
async def test_whatever_goes_wrong_is_one_sentence(error: Exception, status: int, detail: str) -> None:
    with pytest.raises(SkillError) as raised:
        await ask("Store", method(Response(error=error)))
    assert (raised.value.status, raised.value.detail) == (status, detail)


async def test_silence_ends_at_the_deadline_and_the_other_side_hears_of_it() -> None:
    response = Response(silent=True)
    with pytest.raises(SkillError) as raised:
        await ask("Store", method(response), timeout_s=0.01)
    assert (raised.value.status, raised.value.detail) == (504, "Store did not answer within 0.0 s.")
    assert response.cancelled


async def test_who_is_replaced_is_away_and_not_late() -> None:
    response = Response(silent=True)
    response._replica_result, response.by_reference = None, True  # type: ignore[attr-defined]
    with pytest.raises(SkillError) as raised:
        await ask("Store", method(response), timeout_s=0.01)
    assert (raised.value.status, raised.value.detail) == (503, "Store has no replica that answers.")


async def test_the_other_side_hears_of_it_when_the_caller_is_cancelled() -> None:
    response = Response(silent=True)
    asking = asyncio.create_task(ask("Store", method(response)))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait((asking,))
    assert response.cancelled


async def test_a_store_that_breaks_keeps_no_agent_from_starting() -> None:
    claim = method(Response(error=ValueError("a bug in the store")))
    broken = connect(StorePort, SimpleNamespace(deployment_name="Store", claim_agent=claim))
    made = FakeOrgan("Utility", FakeStore(), FakeWays())
    made._ports.store = broken
    await made.reconfigure(OrganConfig().model_dump(), SimpleNamespace(rank=0))
    made._keeper.cancel()  # type: ignore[union-attr]
    assert (await made.execute(task("cluster.nodes")))["result"]["success"] is True
    assert (await made.status())["epoch"] == 0


def tell_serve(states: dict[str, int], status: DeploymentStatus = DeploymentStatus.UPDATING) -> ServeStatus:
    deployment = DeploymentStatusOverview(
        status=status,
        status_trigger=DeploymentStatusTrigger.CONFIG_UPDATE_STARTED,
        replica_states={ReplicaState(state): count for state, count in states.items()},
        message="",
    )
    application = ApplicationStatusOverview(
        status=ApplicationStatus.DEPLOYING,
        message="",
        last_deployed_time_s=0.0,
        deployments={"utility_organ_1": deployment},
    )
    return ServeStatus(applications={"seedcore": application})


@pytest.mark.parametrize(
    ("states", "rank", "ending", "predecessors"),
    [
        ({"RUNNING": 1}, 0, False, 0),
        ({"STARTING": 1, "STOPPING": 1}, 1, False, 1),
        # The old one is gone, and its rank is not handed on yet.
        ({"RUNNING": 1}, 1, False, 1),
        # It may run beside its predecessor, which is stopped next; the first rank is never given to such a one.
        ({"RUNNING": 1, "STARTING": 1}, 1, False, 1),
        ({"RUNNING": 2, "STARTING": 1}, 2, False, 1),
        ({"RUNNING": 2, "STARTING": 1}, 0, False, 0),
        ({"RUNNING": 2, "UPDATING": 1, "STOPPING": 2}, 3, False, 2),
        # It is stopped itself: alone, before one that begins, and with the one before it.
        ({"STOPPING": 1}, 0, True, 0),
        ({"STARTING": 1, "STOPPING": 1}, 0, True, 0),
        ({"STARTING": 1, "STOPPING": 2}, 0, True, 1),
        # It never got the rank of the one before it, and will not.
        ({"STARTING": 1, "STOPPING": 1}, 1, True, 1),
    ],
)
async def test_predecessors_are_replicas_that_serve_stops(
    monkeypatch: pytest.MonkeyPatch, states: dict[str, int], rank: int, ending: bool, predecessors: int
) -> None:
    context = SimpleNamespace(app_name="seedcore", deployment="utility_organ_1")
    monkeypatch.setattr(ports.serve, "get_replica_context", lambda: context)
    monkeypatch.setattr(ports.serve, "status", lambda: tell_serve(states))
    assert await ports.ClusterPort().count_predecessors(rank, ending=ending) == predecessors


@pytest.mark.parametrize("status", [DeploymentStatus.UPSCALING, DeploymentStatus.HEALTHY, DeploymentStatus.UNHEALTHY])
async def test_one_that_is_added_has_no_predecessor(monkeypatch: pytest.MonkeyPatch, status: DeploymentStatus) -> None:
    context = SimpleNamespace(app_name="seedcore", deployment="utility_organ_1")
    monkeypatch.setattr(ports.serve, "get_replica_context", lambda: context)
    monkeypatch.setattr(ports.serve, "status", lambda: tell_serve({"RUNNING": 2, "STARTING": 1}, status))
    assert await ports.ClusterPort().count_predecessors(2) == 0


async def test_an_application_that_serve_does_not_know_has_no_predecessors(monkeypatch: pytest.MonkeyPatch) -> None:
    for app_name, deployment in (("other", "utility_organ_1"), ("seedcore", "other")):
        context = SimpleNamespace(app_name=app_name, deployment=deployment)
        monkeypatch.setattr(ports.serve, "get_replica_context", lambda context=context: context)
        monkeypatch.setattr(ports.serve, "status", lambda: tell_serve({"STOPPING": 3}))
        assert await ports.ClusterPort().count_predecessors(0) == 0


def test_a_replica_beside_its_predecessor_has_another_rank_until_that_is_gone() -> None:
    """What the waiting above rests on, by Ray's own book of ranks."""
    from ray.serve._private.deployment_state import DeploymentRankManager

    def replica(name: str) -> Any:
        return SimpleNamespace(replica_id=SimpleNamespace(unique_id=name))

    book = DeploymentRankManager()
    ranks = [book.assign_rank(name, "n1").rank for name in ("old-0", "old-1", "new-0", "new-1")]
    assert ranks == [0, 1, 2, 3]
    for name in ("old-0", "old-1"):
        book.release_rank(name)
    moved = book.check_rank_consistency_and_reassign_minimally([replica("new-0"), replica("new-1")])
    assert {each.replica_id.unique_id for each in moved} == {"new-0", "new-1"}
    assert sorted(book.get_replica_rank(name).rank for name in ("new-0", "new-1")) == [0, 1]
