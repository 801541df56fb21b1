"""Clients made of Protocols: what they send, how long they wait, what they repeat, and what a failure becomes."""

from __future__ import annotations

import asyncio
import json
import pickle
from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Any, Protocol

import pytest
from ray.exceptions import ActorUnavailableError, RayActorError, RayTaskError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, RequestCancelledError

from organs.calls import Caller
from organs.questions import asked
from organs.skills.contract import SkillNotFound
from serve_app.api.deps import Jobs
from serve_app.api.problems import answer_problem
from serve_app.cluster import handles
from serve_app.cluster.handles import connect
from serve_app.errors import AppError, NotFound, PartFailed, ReplicaLost, Unavailable


class Part(Protocol):
    async def get(self, a: int, b: int = 2) -> Any: ...

    @asked(name="old_name", retries=0)
    async def change(self) -> Any: ...

    def follow(self, a: int) -> AsyncGenerator[Any, None]: ...


class Handle:
    """A deployment handle; ``says`` is what each call answers in turn, an error is raised, None is silence."""

    deployment_name = "Part"

    def __init__(self, *says: Any) -> None:
        self.says = list(says)
        self.asked: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        def remote(*args: Any) -> Any:
            self.asked.append((name, *args))
            return _Response(self.says.pop(0))

        return SimpleNamespace(remote=remote)

    def options(self, *, stream: bool) -> Any:
        assert stream

        async def remote(a: int) -> AsyncGenerator[Any, None]:
            self.asked.append(("follow", a))
            for item in self.says:
                yield item

        return SimpleNamespace(follow=SimpleNamespace(remote=remote))


class _Response:
    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def __await__(self) -> Any:
        return self._wait().__await__()

    async def _wait(self) -> Any:
        if self._answer is None:
            await asyncio.Event().wait()
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    def cancel(self) -> None:
        pass


async def test_arguments_are_sent_by_their_place_whole() -> None:
    handle = Handle("a", "b", "c")
    part = connect(Part, handle, timeout_s=1)
    assert [await part.get(1), await part.get(b=5, a=4), await part.change()] == ["a", "b", "c"]
    assert handle.asked == [("get", 1, 2), ("get", 4, 5), ("old_name",)]


async def test_items_of_a_stream() -> None:
    handle = Handle("a", "b")
    assert [item async for item in connect(Part, handle, timeout_s=1).follow(7)] == ["a", "b"]
    assert handle.asked == [("follow", 7)]


LOST = RayActorError()


async def test_a_lost_replica_is_asked_again_but_not_for_a_change() -> None:
    assert await connect(Part, Handle(LOST, LOST, "c"), timeout_s=1, retries=2).get(1) == "c"
    with pytest.raises(ReplicaLost):
        await connect(Part, Handle(LOST, LOST, "c"), timeout_s=1, retries=1).get(1)
    with pytest.raises(ReplicaLost):
        await connect(Part, Handle(LOST, "b"), timeout_s=1, retries=2).change()
    with pytest.raises(NotFound):
        await connect(Part, Handle(NotFound("No."), "b"), timeout_s=1, retries=2).get(1)


async def test_the_deadline_is_read_at_each_call() -> None:
    waited = [0.01]
    part = connect(Part, Handle(None, "b"), timeout_s=lambda: waited[0])
    with pytest.raises(AppError, match=r"^Part did not answer within 0\.01 s\.$") as raised:
        await part.get(1)
    assert raised.value.status == 504
    waited[0] = 60
    assert await part.get(1) == "b"


@pytest.mark.parametrize(
    ("error", "code", "detail"),
    [
        (BackPressureError(num_queued_requests=1, max_queued_requests=1), "too_busy", "The queue of Part is full; the"),
        (DeploymentUnavailableError(SimpleNamespace(name="x")), "unavailable", "Part has no running replica."),  # type: ignore[arg-type]
        (RequestCancelledError(), "unavailable", "Part cancelled the request."),
        (ActorUnavailableError("gone", b"1" * 16), "replica_lost", "The replica of Part that had the request died;"),
        (NotFound("There is no job 'x'."), "not_found", "There is no job 'x'."),
        (RayTaskError("get", "Traceback", NotFound("There is no job 'x'.")), "not_found", "There is no job 'x'."),
        (SkillNotFound("A skill's own."), "part_failed", "Part failed; its log has the reason."),
        (KeyError("a secret"), "part_failed", "Part failed; its log has the reason."),
    ],
)
async def test_a_failure_is_an_error_of_this_application(error: Exception, code: str, detail: str) -> None:
    with pytest.raises(AppError) as raised:
        await connect(Part, Handle(error), timeout_s=1).get(1)
    assert (raised.value.code, raised.value.detail[: len(detail)]) == (code, detail)
    assert "secret" not in str(raised.value)


def test_what_a_lost_replica_was_asked_for_is_for_others_only_not_to_be_had_now() -> None:
    """The class is known to every version, and nobody takes the replica that answered for lost."""
    told = pickle.loads(pickle.dumps(ReplicaLost("The replica of Store died.")))
    assert (type(told), told.detail, told.code, told.replica_lost) == (
        Unavailable,
        "The replica of Store died.",
        "replica_lost",
        False,
    )
    failed = pickle.loads(pickle.dumps(PartFailed("Store failed.")))
    assert (type(failed), failed.code) == (AppError, "part_failed")


def test_a_part_that_failed_is_called_so_after_any_number_of_hops() -> None:
    told: AppError = PartFailed("Store failed.")
    for _ in range(3):
        told = pickle.loads(pickle.dumps(told))
        answer = json.loads(bytes(answer_problem(told).body))
        assert (answer["title"], answer["code"], answer["status"]) == ("A part failed", "part_failed", 500)


async def test_patience_with_the_inspector(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds, with 5 for what is usual, and further attempts: changes are never asked twice."""
    waited: dict[str, tuple[float, int]] = {}

    class Noting(Caller):
        async def call(self, part: str, method: Any, *args: Any, timeout_s: float, retries: int = 0) -> Any:
            waited[method] = timeout_s, retries

        def stream(self, part: str, method: Any, *args: Any, item_timeout_s: float) -> Any:
            waited[method] = item_timeout_s, 0

    class Names:
        deployment_name = "JobInspector"

        def __getattr__(self, name: str) -> str:
            return name

        def options(self, *, stream: bool) -> Names:
            return self

    caller = Noting(handles._CALLER.failures, handles._CALLER.adopt)
    jobs = caller.connect(Jobs, Names(), timeout_s=5.0, retries=1)
    await jobs.list_jobs({})
    await jobs.record_responses({})
    await jobs.submit_job({})
    await jobs.stop_job("id", 10.0)
    await jobs.retry_job("id", False)
    await jobs.delete_job("id")
    await jobs.job_log("id", 5)
    await jobs.job_stacks("id")
    jobs.follow_log("id", 5, None)
    await jobs.diagnosis("id")
    assert waited == {
        "list_jobs": (5, 1),
        "record_responses": (5, 1),
        "submit_job": (35, 0),
        "stop_job": (45, 0),
        "retry_job": (35, 0),
        "delete_job": (35, 0),
        "job_log": (20, 1),
        "job_stacks": (20, 1),
        "follow_log": (35, 0),
        "diagnosis": (40, 1),
    }
    await jobs.diagnosis("id", by_model=True)
    assert waited["diagnosis"] == (55, 1)
    await jobs.code_versions()
    assert waited["code_versions"] == (6, 1)
