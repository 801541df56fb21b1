"""The store when things go wrong: killed processes, a database that is down, slow, locked, full or read-only."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import pwd
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from serve_app.store.database import Database
from serve_app.store.deployment import StoreDeployment
from serve_app.store.engine import create_engine
from serve_app.store.errors import _ADVICE, StoreUnavailable, describe_error
from serve_app.store.migrate import upgrade
from serve_app.store.store import Store
from serve_app.store.tables import heartbeats
from tests.integration.pg import PostgreSQL
from tests.integration.store.rows import list_epochs

ROOT = Path(__file__).resolve().parents[3]


def start(program: str, *arguments: str) -> subprocess.Popen[str]:
    """Run the body of a coroutine in a Python process of its own; it finds its arguments in ``sys.argv``."""
    imports = "import asyncio, resource, sys, time\nfrom serve_app.store.errors import StoreUnavailable\n"
    body = textwrap.indent(textwrap.dedent(program), "    ")
    source = f"{imports}from serve_app.store.store import Store\nasync def main():\n{body}\nasyncio.run(main())\n"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", source, *arguments],
        env=environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def finish(process: subprocess.Popen[str]) -> str:
    """What the process printed; fails when it failed."""
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out


def say(reason: str) -> str:
    """The whole sentence, with what to do."""
    advice = _ADVICE.get(reason)
    return f"The store is unavailable: {reason}{'' if advice is None else f'; {advice}'}."


async def refusal(store: Store | StoreDeployment) -> str:
    """The sentence with which the store refuses a ping, after a look that nothing secret is near it."""
    with pytest.raises(StoreUnavailable) as refused:
        await store.ping()
    error = refused.value
    assert error.code == "store_unavailable"
    assert error.__cause__ is None
    assert error.__suppress_context__
    return error.detail


async def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    writer = start(
        """
        store = await Store.open(sys.argv[1])
        number = 0
        while True:
            await store.put_memory(f"k{number}", number, [], None)
            print(number, flush=True)
            number += 1
        """,
        url,
    )
    assert writer.stdout is not None
    for _ in range(50):
        acknowledged = int(writer.stdout.readline())
    writer.send_signal(signal.SIGKILL)
    acknowledged = int((writer.communicate(timeout=60)[0].split("\n")[:-1] or [acknowledged])[-1])

    store = await Store.open(url)
    found = [await store.get_memory(f"k{number}") for number in range(acknowledged + 1)]
    assert [memory["value"] for memory in found if memory] == list(range(acknowledged + 1))
    await store.close()


async def test_processes_that_open_a_new_database_at_once(database: str) -> None:
    """Several files in step with SQLite, because the moment at which two processes collide is short."""
    urls = [f"{database}{n}" for n in range(12)] if database.startswith("sqlite") else [database]
    program = """
    print("ready", flush=True)
    began = float(sys.stdin.readline())
    for number, url in enumerate(sys.argv[1:]):
        await asyncio.sleep(max(0, began + 0.15 * number - time.time()))
        store = await Store.open(url)
        await store.claim_agent("a", "organ", "r")
        await store.close()
    """
    processes = [start(program, *urls) for _ in range(3)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    began = time.time() + 0.1
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(f"{began}\n")
        process.stdin.flush()
    assert [finish(process) for process in processes] == ["", "", ""]
    for url in urls:
        store = await Store.open(url)
        assert await list_epochs(store) == [3]
        await store.close()


async def test_a_file_is_opened_by_one_process_at_a_time(tmp_path: Path) -> None:
    holder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    opening = asyncio.create_task(Store.open(f"sqlite:///{tmp_path}/store.db"))
    await asyncio.sleep(0.3)
    assert not opening.done()
    assert not (tmp_path / "store.db").exists()
    os.close(holder)
    await (await opening).close()


async def test_stores_of_one_process_that_open_a_new_database_at_once(database: str) -> None:
    stores = await asyncio.gather(*(Store.open(database) for _ in range(4)))
    claims = [await store.claim_agent("a", "organ", "r") for store in stores]
    assert [claim["epoch"] for claim in claims] == [1, 2, 3, 4]
    await asyncio.gather(*(store.close() for store in stores))


async def test_a_slow_statement_ends_and_its_connection_stays_usable(database: str) -> None:
    engine = create_engine(database, statement_timeout_s=0.2)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    for _ in range(9):  # more often than there are connections
        started = time.monotonic()
        with pytest.raises(DBAPIError) as slow:
            async with engine.connect() as connection:
                await connection.exec_driver_sql(endless)
        assert describe_error(slow.value) == "the database did not answer in time"
        assert time.monotonic() - started < 3
        async with engine.connect() as connection:
            assert (await connection.exec_driver_sql("SELECT 1")).scalar() == 1
    await engine.dispose()


async def test_calls_that_are_given_up_leave_the_store_usable(database: str) -> None:
    store = await Store.open(database)
    calls = [asyncio.create_task(store.put_memory(f"k{n}", "x" * 10_000, [], None)) for n in range(60)]
    for number, call in enumerate(calls):
        await asyncio.sleep(0.001)
        if number % 3:
            call.cancel()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [each for each in outcomes if isinstance(each, Exception)] == []
    kept = [n for n, outcome in enumerate(outcomes) if not isinstance(outcome, BaseException)]
    assert set(range(0, 60, 3)) <= set(kept)
    assert [n for n in kept if await store.get_memory(f"k{n}") is None] == []
    await store.ping()
    await store.close()


async def test_a_transaction_that_nobody_waits_for_ends_by_itself(database: str) -> None:
    await upgrade(database)
    slow = Database(create_engine(database), timeout_s=0.2)
    go_on = asyncio.Event()

    async def work(connection: AsyncConnection) -> None:
        await connection.execute(insert(heartbeats).values(name="slow", beat_at=datetime.now(UTC)))
        await go_on.wait()

    async def names(connection: AsyncConnection) -> list[str]:
        return list(await connection.scalars(select(heartbeats.c.name)))

    with pytest.raises(StoreUnavailable, match="the database did not answer in time"):
        await slow.write(work)
    assert await slow.read(names) == []
    go_on.set()
    await slow.close()
    assert await slow.read(names) == ["slow"]
    await slow.close()


async def test_a_locked_table_is_waited_for_no_longer_than_the_deadline(database: str) -> None:
    store = await Store.open(database, timeout_s=1.0)
    if database.startswith("sqlite"):
        holder: Any = sqlite3.connect(database.removeprefix("sqlite:///"), isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        expected = say("the database is locked by another process")
        release = holder.close
    else:
        engine = create_engine(database)
        holder = await engine.connect()
        await holder.exec_driver_sql("LOCK TABLE heartbeats")
        expected = say("the database did not answer in time")

        async def release_lock() -> None:
            await holder.close()
            await engine.dispose()

        release = release_lock
    started = time.monotonic()
    assert await refusal(store) == expected
    assert time.monotonic() - started < 2
    released = release()
    if released is not None:
        await released
    await store.ping()
    await store.close()


async def test_postgresql_goes_and_comes_back(
    postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Also when it was away at the start: the replica comes up, says so, and finds it later."""
    caplog.set_level("INFO", logger="ray.serve")
    url = postgresql.empty()
    monkeypatch.setenv("SEEDCORE_DATABASE_URL", url)
    store = await Store.open(url)
    await store.put_memory("k", "v", [], None)
    replica = StoreDeployment()
    sentences = []
    for how in (signal.SIGINT, signal.SIGQUIT):
        postgresql.stop(how)
        started = time.monotonic()
        sentences += [await refusal(store), await refusal(store), await refusal(replica)]
        await replica.check_health()
        assert time.monotonic() - started < 5
        postgresql.start()
        assert (await store.ping())["backend"] == "postgresql"
        memory = await store.get_memory("k")
        assert memory is not None
        assert memory["value"] == "v"
        await until_up(replica)
    assert sentences == [say("the database cannot be reached")] * 6
    assert postgresql.password not in caplog.text
    assert "store_opened" in {getattr(record, "action", None) for record in caplog.records}
    await store.close()
    await replica.close()


async def until_up(replica: StoreDeployment) -> None:
    give_up_at = time.monotonic() + 5
    while True:
        try:
            await replica.ping()
        except StoreUnavailable:
            assert time.monotonic() < give_up_at
            await asyncio.sleep(0.05)
        else:
            return


async def test_a_server_that_says_nothing_costs_the_deadline_and_no_more(postgresql: PostgreSQL) -> None:
    store = await Store.open(postgresql.empty(), timeout_s=1.0)
    await store.ping()
    with postgresql.silent():
        started = time.monotonic()
        refusals = await asyncio.gather(*(refusal(store) for _ in range(20)))
        assert set(refusals) == {say("the database did not answer in time")}
        assert time.monotonic() - started < 2
    give_up_at = time.monotonic() + 10
    while not await answers(store):
        assert time.monotonic() < give_up_at
    await asyncio.gather(*(store.ping() for _ in range(20)))
    await store.close()


async def answers(store: Store) -> bool:
    try:
        await store.ping()
    except StoreUnavailable:
        return False
    return True


async def test_a_connection_that_is_cut_is_replaced(postgresql: PostgreSQL) -> None:
    store = await Store.open(postgresql.empty())
    await store.ping()
    postgresql.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'seedcore-store'"
    )
    await store.ping()
    await store.close()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda url, secret: url.replace(secret, "wrong-secret"), "the database refuses the login"),
        (lambda url, secret: url.replace("/postgres", "/absent"), "the database does not exist on its server"),
        (lambda url, secret: re.sub(r":\d+/", ":1/", url), "the database cannot be reached"),
        (lambda url, secret: url.replace("127.0.0.1", "host.invalid"), "the database cannot be reached"),
        (lambda url, secret: url + "?sslmode=require", "the database cannot be reached"),
    ],
    ids=["password", "database", "port", "host", "encryption"],
)
async def test_a_wrong_address_says_what_is_wrong_and_no_secret(
    postgresql: PostgreSQL, caplog: pytest.LogCaptureFixture, change: Any, reason: str
) -> None:
    url = change(postgresql.empty(), postgresql.password)
    with pytest.raises(StoreUnavailable) as refused:
        await Store.open(url)
    assert refused.value.detail == say(reason)
    assert postgresql.password not in caplog.text + repr(refused.value)
    assert "wrong-secret" not in caplog.text + repr(refused.value)


async def test_a_standby_or_read_only_postgresql_is_noticed(postgresql: PostgreSQL) -> None:
    url = postgresql.empty()
    store = await Store.open(url)
    await store.put_memory("k", "v", [], None)
    postgresql.execute("ALTER ROLE seedcore SET default_transaction_read_only = on")
    await store.close()  # sessions take the setting at their start
    try:
        assert (await refusal(store)).startswith("The store is unavailable: the database is read-only; ")
        assert await store.get_memory("k") is not None
    finally:
        postgresql.execute("SET transaction_read_only = off; ALTER ROLE seedcore RESET default_transaction_read_only")
    await store.close()
    await store.ping()
    await store.close()


@contextlib.contextmanager
def unprivileged(directory: Path) -> Iterator[None]:
    """As an account to which file modes apply; root would write all the same."""
    if os.geteuid() != 0:
        yield
        return
    account = pwd.getpwnam("nobody")
    for path in (directory, *directory.iterdir()):
        os.chown(path, account.pw_uid, account.pw_gid)
    os.seteuid(account.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)


async def test_a_read_only_file_is_noticed_and_reads_go_on() -> None:
    directory = Path(tempfile.mkdtemp(prefix="seedcore-ro-"))
    url = f"sqlite:///{directory}/store.db"
    store = await Store.open(url)
    await store.put_memory("k", "v", [], None)
    await store.close()
    try:
        with unprivileged(directory):
            (directory / "store.db").chmod(0o400)
            assert (await refusal(store)).startswith("The store is unavailable: the database is read-only; ")
            assert await store.get_memory("k") is not None
            await store.close()
            for path in directory.iterdir():
                path.chmod(0o600)
            await store.ping()
            await store.close()
            directory.chmod(0o500)
            with pytest.raises(StoreUnavailable, match="the database file cannot be opened, read or written"):
                await Store.open(f"sqlite:///{directory}/other.db")
            directory.chmod(0o700)
    finally:
        shutil.rmtree(directory)


async def test_a_full_disk_is_noticed_and_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    """The limit on the size of files stands for the disk: SQLite's writes fail in the same place."""
    process = start(
        """
        store = await Store.open(sys.argv[1])
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, hard))
        kept = 0
        try:
            while True:
                await store.put_memory(f"k{kept}", "x" * 50_000, [], None)
                kept += 1
        except StoreUnavailable as error:
            print(error.detail)
        try:
            while True:
                await store.ping()
        except StoreUnavailable as error:
            print(error.detail)
        found = [await store.get_memory(f"k{n}") is not None for n in range(kept)]
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        await store.ping()
        print(kept > 0, all(found))
        await store.close()
        """,
        f"sqlite:///{tmp_path}/store.db",
    )
    *sentences, last = (await asyncio.to_thread(finish, process)).splitlines()
    assert set(sentences) <= {
        say("the disk of the database is full"),
        say("the database file cannot be opened, read or written"),
    }
    assert len(sentences) == 2
    assert last == "True True"


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_text(json.dumps({"not": "a database"}) * 1000)
    with pytest.raises(StoreUnavailable, match=r"the database file store\.db is damaged, or is no database"):
        await Store.open(f"sqlite:///{tmp_path}/store.db")
    with pytest.raises(StoreUnavailable, match="the database file cannot be opened, read or written"):
        await Store.open(f"sqlite:///{tmp_path}/absent/store.db")


async def test_a_database_that_lost_a_table(database: str) -> None:
    store = await Store.open(database)
    engine = create_engine(database)
    async with engine.begin() as connection:
        await connection.exec_driver_sql("DROP TABLE heartbeats")
    await engine.dispose()
    with pytest.raises(StoreUnavailable):
        await store.ping()
    await store.close()
