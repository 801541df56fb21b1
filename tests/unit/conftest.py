"""Unit tests have no Ray, no sockets, no sleeping, and no settings of whoever runs them."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any, NoReturn

import hypothesis
import pytest
import pytest_socket

from serve_app.hidden.held import release

_SLEEP = asyncio.sleep

# A busy machine is no defect of the code, so no example has a time limit; pytest-timeout ends what hangs.
hypothesis.settings.register_profile("unit", deadline=None)
hypothesis.settings.load_profile("unit")


def pytest_runtest_setup() -> None:
    # The event loop wakes itself through a socket pair, which is a unix socket and leaves the machine alone.
    pytest_socket.disable_socket(allow_unix_socket=True)


def pytest_runtest_teardown() -> None:
    pytest_socket.enable_socket()


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the wrong test impossible."""
    for name in [name for name in os.environ if name.startswith(("SEEDCORE_", "RAY_"))]:
        monkeypatch.delenv(name)

    def no_ray(*_: Any, **__: Any) -> NoReturn:
        raise AssertionError("unit tests have no Ray")

    def no_sleep(*_: Any) -> NoReturn:
        raise AssertionError("unit tests do not sleep: hand in a clock, or wait for a condition")

    async def hardly_sleep(delay_s: float, result: Any = None) -> Any:
        if delay_s > 0:
            no_sleep()
        return await _SLEEP(0, result)

    monkeypatch.setattr("ray.init", no_ray)
    release()
    monkeypatch.setattr(time, "sleep", no_sleep)
    monkeypatch.setattr(asyncio, "sleep", hardly_sleep)
