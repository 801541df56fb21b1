"""Work beside the calls: begun once, its end is found out, several are one."""

from __future__ import annotations

import asyncio

import pytest

from serve_app.background import Loop, Workers


async def test_a_loop_is_begun_once_and_closed() -> None:
    begun: list[str] = []

    async def run() -> None:
        begun.append("x")
        await asyncio.Event().wait()

    loop = Loop("the loop", run)
    assert (loop.is_begun, loop.is_running) == (False, False)
    loop.require_alive()
    await loop.close()
    loop.start()
    loop.start()
    await asyncio.sleep(0)
    assert (begun, loop.is_begun, loop.is_running) == (["x"], True, True)
    loop.require_alive()
    await loop.close()
    assert (loop.is_begun, loop.is_running) == (True, False)
    with pytest.raises(RuntimeError, match="^the loop has ended$"):
        loop.require_alive()


async def test_the_error_that_ended_it_is_the_cause() -> None:
    async def run() -> None:
        raise KeyError("a bug")

    loop = Loop("the loop", run)
    loop.start()
    await loop.wait_until_over()
    with pytest.raises(RuntimeError, match="^the loop has ended$") as raised:
        loop.require_alive()
    assert repr(raised.value.__cause__) == "KeyError('a bug')"
    await loop.close()


class Recorded:
    """A worker that tells what is done with it."""

    def __init__(self, name: str, told: list[str], *, alive: bool = True) -> None:
        self.name, self.told, self.alive = name, told, alive

    def start(self) -> None:
        self.told.append(f"start {self.name}")

    def require_alive(self) -> None:
        if not self.alive:
            raise RuntimeError(f"{self.name} has ended")

    async def close(self) -> None:
        self.told.append(f"close {self.name}")


async def test_several_are_started_in_order_and_closed_in_the_opposite_one() -> None:
    told: list[str] = []
    workers = Workers(Recorded("a", told), Recorded("b", told))
    workers.start()
    workers.require_alive()
    await workers.close()
    assert told == ["start a", "start b", "close b", "close a"]
    with pytest.raises(RuntimeError, match="^b has ended$"):
        Workers(Recorded("a", told), Recorded("b", told, alive=False)).require_alive()
