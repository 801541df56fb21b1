"""The store's replica: it mirrors the store, and does not besiege a database that is down."""

from __future__ import annotations

import asyncio
import inspect
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from ray.serve.exceptions import RayServeException

from serve_app.store import deployment
from serve_app.store.deployment import OF_THE_COMMAND, Opening, StoreDeployment
from serve_app.store.errors import StoreTooNew, StoreUnavailable
from serve_app.store.store import Store


class FakeStore:
    closed = False
    is_outdated = False
    failure: StoreUnavailable | None = None

    def __init__(self) -> None:
        self.told: list[str] = []

    async def end_serving(self, session: str) -> None:
        if self.failure is not None:
            raise self.failure
        self.told.append(session)

    async def close(self) -> None:
        self.closed = True


class Database:
    """Counts who tries to open it; ``failure`` is what they get."""

    def __init__(self) -> None:
        self.failure: StoreUnavailable | None = None
        self.tries = 0
        self.now = 100.0

    async def open(self) -> Store:
        self.tries += 1
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        return cast(Store, FakeStore())

    def opening(self) -> Opening:
        return Opening(self.open, lambda: self.now)


async def test_opened_once_by_those_who_come_at_once() -> None:
    database = Database()
    opening = database.opening()
    stores = await asyncio.gather(*(opening.get_store() for _ in range(5)))
    assert database.tries == 1
    assert {id(store) for store in stores} == {id(stores[0])}


async def test_the_pause_doubles_up_to_ten_seconds_and_ends_with_success() -> None:
    database = Database()
    opening = database.opening()
    database.failure = StoreTooNew("Said so.")
    tried_at = []
    for tenth in range(600):
        database.now = 100 + tenth / 10
        before = database.tries
        with pytest.raises(StoreTooNew, match="Said so"):
            await opening.get_store()
        if database.tries > before:
            tried_at.append(tenth / 10)
    assert tried_at == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 25.5, 35.5, 45.5, 55.5]
    database.failure = None
    with pytest.raises(StoreTooNew):
        await opening.get_store()
    database.now = 200
    assert isinstance(await opening.get_store(), FakeStore)


async def test_a_caller_does_not_wait_for_ever_and_the_attempt_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployment, "_WAIT_S", 0.01)
    go_on = asyncio.Event()

    async def slow() -> Store:
        await go_on.wait()
        return cast(Store, FakeStore())

    opening = Opening(slow)
    with pytest.raises(StoreUnavailable, match="its database is still being opened"):
        await opening.get_store()
    impatient = asyncio.create_task(opening.get_store())
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.wait([impatient])
    go_on.set()
    assert isinstance(await opening.get_store(), FakeStore)


@pytest.mark.parametrize(
    ("session", "failure", "told"),
    [
        ("s1", None, ["s1"]),
        (None, None, []),  # only this replica is replaced
        (RayServeException("No controller."), None, []),
        ("s1", StoreUnavailable("Down."), []),
    ],
)
async def test_the_end_of_serve_is_told(session: Any, failure: StoreUnavailable | None, told: list[str]) -> None:
    def find() -> str | None:
        if isinstance(session, Exception):
            raise session
        return cast("str | None", session)

    opening = Database().opening()
    await opening.tell_shutdown(find)  # nothing is open, and nothing is opened for this
    assert not opening.is_open
    store = cast(Any, await opening.get_store())
    store.failure = failure
    await opening.tell_shutdown(find)
    assert store.told == told


@pytest.mark.parametrize(
    ("statuses", "session"),
    [
        (["DELETING"], "s1"),
        (["DELETING", "DELETING"], "s1"),
        (["DEPLOYING"], None),  # another version takes over
        (["DELETING", "RUNNING"], None),  # Serve goes on for others
    ],
)
def test_whether_serve_ends(monkeypatch: pytest.MonkeyPatch, statuses: list[str], session: str | None) -> None:
    applications = {f"a{place}": SimpleNamespace(status=status) for place, status in enumerate(statuses)}
    monkeypatch.setattr(deployment.serve, "status", lambda: SimpleNamespace(applications=applications))
    context = SimpleNamespace(get_session_name=lambda: "s1")
    monkeypatch.setattr(deployment.ray, "get_runtime_context", lambda: context)
    assert deployment.find_ended_session() is None, "no cluster is begun by asking"
    monkeypatch.setattr(deployment.ray, "is_initialized", lambda: True)
    assert deployment.find_ended_session() == session


async def test_closed_and_opened_again() -> None:
    database = Database()
    opening = database.opening()
    store = cast(FakeStore, await opening.get_store())
    assert opening.is_open
    await opening.close()
    assert (store.closed, opening.is_open) == (True, False)
    await opening.close()
    await opening.get_store()
    assert database.tries == 2


def methods(kind: type[Any]) -> dict[str, inspect.Signature]:
    return {
        name: inspect.signature(each)
        for name, each in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_") and name not in OF_THE_COMMAND
    }


def test_the_deployment_has_the_methods_of_the_store() -> None:
    mirrored = methods(StoreDeployment)
    del mirrored["check_health"], mirrored["reconfigure"], mirrored["tell_version"]
    assert mirrored == methods(Store)


async def test_each_method_reaches_its_namesake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SEEDCORE_HOME", str(tmp_path))

    class Echo:
        def __getattr__(self, name: str) -> Any:
            async def answer(*arguments: Any) -> Any:
                return (name, *arguments)

            return answer

    async def opened() -> Store:
        return cast(Store, Echo())

    replica = StoreDeployment()
    replica._opening = Opening(opened)
    for name, signature in methods(Store).items():
        arguments = list(signature.parameters)[1:]
        answer = await getattr(replica, name)(*arguments)
        if signature.return_annotation != "None":
            assert answer == (name, *arguments)
    await replica.check_health()
    await replica.close()


async def test_serve_can_stop_it_open_or_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SEEDCORE_HOME", str(tmp_path))
    replica = StoreDeployment()
    assert replica.__del__() is None
    assert (await replica.ping())["backend"] == "sqlite"
    closing = replica.__del__()
    assert closing is not None
    await closing
    assert replica.__del__() is None
