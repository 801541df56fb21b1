"""A database that the code of before revision 0007 wrote, opened by this one: on SQLite and on PostgreSQL alike.

``old_store.json`` holds, table by table, what the code of commit 9652b36 kept of one job for each of its rules of an
outcome (``facts`` is what Ray had told of each), of alerts about each kind of subject, and of one of everything else;
and three lines of its export.
"""

from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Boolean, Connection, DateTime, MetaData, select

from serve_app.alerts.models import Alert, render_alert
from serve_app.errors import InvalidInput
from serve_app.jobs.diagnosis.evidence.sentences import read_past_evidence
from serve_app.store import migrate, migrations
from serve_app.store.engine import create_engine, get_writing_engine
from serve_app.store.errors import StoreUnavailable
from serve_app.store.migrations import sentences
from serve_app.store.store import Store
from serve_app.store.tables import alerts, jobs, notifications

OLD = json.loads((Path(__file__).parent / "old_store.json").read_text())
# Of these the old code had not kept what Ray said.
NOT_TOLD = {
    # Nothing but its row is left of what was too long, ...
    "session_old/long",
    # ... and that it was lost with its node was the whole story.
    "session_old/lost",
}
BEFORE_ALL, AFTER_ALL = "0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00")


def make_old(connection: Connection) -> None:
    """The tables as revision 0006 made them, with what the old code kept in them."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "0006")
    metadata = MetaData()
    metadata.reflect(connection, only=[name for name in OLD["tables"] if name != "alembic_version"])
    assert OLD["tables"]["alembic_version"] == [{"version_num": "0006"}]
    is_sqlite = connection.dialect.name == "sqlite"
    for table in metadata.sorted_tables:
        rows = [
            {name: typed(value, table.columns[name].type, is_sqlite) for name, value in row.items()}
            for row in OLD["tables"][table.name]
        ]
        if rows:
            connection.execute(table.insert(), rows)


def typed(value: Any, type_: Any, is_sqlite: bool) -> Any:
    """A value as SQLite gave it to the recording, for a column of either database."""
    if value is None:
        return None
    if isinstance(type_, DateTime):
        time = datetime.fromisoformat(value)
        return time if is_sqlite else time.replace(tzinfo=UTC)
    return bool(value) if isinstance(type_, Boolean) else value


async def run(database: str, work: Any) -> Any:
    engine = create_engine(database, statement_timeout_s=60)
    try:
        async with get_writing_engine(engine).begin() as connection:
            return await connection.run_sync(work)
    finally:
        await engine.dispose()


@pytest.fixture
async def old(database: str) -> str:
    await run(database, make_old)
    return database


@pytest.fixture
async def store(old: str) -> AsyncIterator[Store]:
    opened = await Store.open(old, timeout_s=30)
    yield opened
    await opened.close()


async def test_how_each_job_ended_is_known_where_it_had_been_said(store: Store) -> None:
    listed = await store.list_jobs({"limit": 500})
    assert len(listed) == len(OLD["tables"]["jobs"])
    seen = {each["key"]: [each["row"]["error_type"], each["row"]["exit_code"]] for each in listed}
    told = {key: facts for key, facts in OLD["facts"].items() if key not in NOT_TOLD and facts != [None, None]}
    assert len(told) > 10
    assert {key: ending for key, ending in seen.items() if ending != [None, None]} == told | {
        "session_older/unlisted": ["JOB_SUPERVISOR_ACTOR_UNKNOWN_FAILURE", None]
    }


async def test_a_past_job_is_diagnosed_by_its_fields(store: Store) -> None:
    found = await store.find_job("failed", "session_old")
    assert found is not None
    fields, sources, _ = read_past_evidence(found)
    assert (fields.error_type, fields.driver_exit_code) == ("JOB_ENTRYPOINT_COMMAND_ERROR", 1)
    assert [source.name for source in sources] == ["kept end of the driver's log"]
    assert (found["row"]["code"], found["diagnosis"]["diagnosis"]["code"]) == ("app.exception", "app.exception")


async def test_nothing_else_of_a_job_has_changed(store: Store, old: str) -> None:
    def kept(connection: Connection) -> dict[str, dict[str, Any]]:
        return {row["key"]: dict(row) for row in connection.execute(select(jobs)).mappings()}

    now = await run(old, kept)
    for row in OLD["tables"]["jobs"]:
        same = {name for name in row if name not in ("first_seen_at", "updated_at")}
        assert {name: now[row["key"]][name] for name in same} == {name: row[name] for name in same}
        times = {name: datetime.fromisoformat(row[name]).replace(tzinfo=UTC) for name in row if name.endswith("_at")}
        assert {name: now[row["key"]][name] for name in times} == times


async def test_what_each_alert_is_about_is_known(store: Store, old: str) -> None:
    def about(connection: Connection) -> set[tuple[Any, ...]]:
        rows = connection.execute(select(alerts)).mappings()
        return {(row["rule"], row["subject"], row["subject_type"], row["subject_id"], row["session"]) for row in rows}

    assert await run(old, about) == {
        ("api-slow", "api", "api", None, None),
        ("job-failure-rate", "cluster", "cluster", None, None),
        ("cpu-high", "n1", "node", "n1", None),
        ("memory-high", "n1", "node", "n1", None),
        ("organ-not-responding", "utility_organ_1", "organ", "utility_organ_1", None),
        ("past-deadline", "job late", "job", "late", None),
        ("stuck-job", "job hangs", "job", "hangs", None),
        ("stuck-job", "job pending", "job", "pending", None),
        ("leftover-actors", "job leaves", "job", "leaves", None),
        ("missing-job", "kind nightly", "kind", "nightly", None),
    }
    # All of them go on, by the same ids.
    active = [Alert.from_json(row) for row in await store.active_alerts()]
    assert {each.id for each in active} == {row["id"] for row in OLD["tables"]["alerts"] if row["state"] != "resolved"}


async def test_what_an_alert_of_before_is_about_is_not_known_when_its_name_was_cut(
    database: str,
) -> None:
    def make_cut(connection: Connection) -> None:
        make_old(connection)
        metadata = MetaData()
        metadata.reflect(connection, only=["alerts"])
        table = metadata.tables["alerts"]
        for id, chars in (("hangs", 199), ("pending", 200)):
            subject = f"job {id}".ljust(chars, "x")
            connection.execute(table.update().where(table.c.subject == f"job {id}").values(subject=subject))

    await run(database, make_cut)
    opened = await Store.open(database, timeout_s=30)
    await opened.close()
    statement = select(alerts.c.subject_id).where(alerts.c.subject.like("%xxx")).order_by(alerts.c.subject)
    known = await run(database, lambda connection: list(connection.execute(statement).scalars()))
    assert known == ["hangs".ljust(195, "x"), None]


async def test_what_waits_to_be_told_has_times_of_the_one_form(store: Store, old: str) -> None:
    waiting = [each for each in OLD["tables"]["notifications"] if each["next_at"] is not None]
    kept = select(notifications.c.payload).where(notifications.c.next_at.is_not(None))
    told = await run(old, lambda connection: [json.loads(each) for each in connection.execute(kept).scalars()])
    assert len(told) == len(waiting) > 0
    before = {payload["id"]: payload for payload in (json.loads(each["payload"]) for each in waiting)}
    for payload in told:
        alert = payload["alert"]
        times = {name: alert[name] for name in ("pending_since", "firing_since", "resolved_at")}
        assert [each for each in (payload["at"], *times.values()) if each and not TIME.fullmatch(each)] == []
        # The same times, and nothing else has changed.
        old = before[payload["id"]]
        assert payload["at"][:23] == old["at"][:23]
        assert {**payload, "at": "", "alert": {**alert, **dict.fromkeys(times)}} == {
            **old, "at": "", "alert": {**old["alert"], **dict.fromkeys(times)}
        }  # fmt: skip


async def test_what_is_told_in_another_form_stays_as_it_is(database: str) -> None:
    odd = [
        '{"at":"0001-01-01T00:00:00+05:00","alert":{}}',
        *('{"alert":"a"}', "7", '{"at":"noon","alert":{}}', '{"at":5,"alert":{}}', "no JSON", '{"alert":{"id":"x"}}'),
    ]

    def spoil(connection: Connection) -> None:
        make_old(connection)
        metadata = MetaData()
        metadata.reflect(connection, only=["notifications"])
        table = metadata.tables["notifications"]
        ids = connection.execute(select(table.c.id).where(table.c.next_at.is_not(None)).order_by(table.c.id)).scalars()
        for id, payload in zip(list(ids), odd, strict=False):
            connection.execute(table.update().where(table.c.id == id).values(payload=payload))

    await run(database, spoil)
    opened = await Store.open(database, timeout_s=30)
    await opened.close()
    kept = select(notifications.c.payload).order_by(notifications.c.id)
    assert set(odd) <= set(await run(database, lambda connection: list(connection.execute(kept).scalars())))


async def test_everything_is_there_and_every_time_has_the_one_form(store: Store) -> None:
    found = await store.find_job("failed", "session_old")
    assert found is not None
    memory = await store.get_memory("k")
    assert memory is not None
    assert memory["value"] == {"a": 1}
    latest = await store.latest_initialization("gen")
    assert latest is not None
    assert latest["state"] == "succeeded"
    claimed = await store.claim_agent("utility_organ_1_agent_0", "utility_organ_1", "replica-2")
    assert (claimed["epoch"], claimed["state"]["tasks_processed"]) == (2, 1)
    past = [render_alert(row) for row in await store.alert_history({"limit": 100})]
    shown = [
        found["first_seen_at"], found["updated_at"], found["row"]["started_at"], found["row"]["ended_at"],
        *(each["at"] for each in found["transitions"]), memory["created_at"], memory["updated_at"],
        latest["started_at"], latest["ended_at"], *(step["done_at"] for step in latest["steps"].values()),
        *(each[name] for each in past for name in ("pending_since", "firing_since", "resolved_at")),
    ]  # fmt: skip
    assert len(shown) > 30
    assert [each for each in shown if each is not None and not TIME.fullmatch(each)] == []
    assert found["first_seen_at"] == "2026-01-01T12:00:00.123+00:00"


async def test_it_is_read_once(old: str) -> None:
    """What is known better is not read again from what was once said."""
    first = await Store.open(old, timeout_s=30)
    await first.close()

    def learn(connection: Connection) -> None:
        connection.execute(jobs.update().where(jobs.c.id == "killed").values(error_type="LATER", exit_code=-15))

    await run(old, learn)
    again = await Store.open(old, timeout_s=30)
    found = await again.find_job("killed", "session_old")
    assert found is not None
    assert (found["row"]["error_type"], found["row"]["exit_code"]) == ("LATER", -15)
    await again.close()


def make_many(connection: Connection) -> None:
    """Five times what the revision reads at a time."""
    make_old(connection)
    metadata = MetaData()
    metadata.reflect(connection, only=["jobs"])
    one = connection.execute(select(metadata.tables["jobs"]).where(metadata.tables["jobs"].c.id == "killed"))
    row = dict(one.mappings().one())
    many = [{**row, "key": f"m/{n}", "session": "m", "id": str(n), "name": f"{n}@m"} for n in range(4_956)]
    connection.execute(metadata.tables["jobs"].insert(), many)


async def test_however_many_there_are_it_comes_to_its_end(
    database: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    limit_s, reads_s = 1.2, 0.4
    await run(database, make_many)
    read = sentences.read_ending
    count = itertools.count(1)

    def read_slowly(content: str) -> sentences.Ending:
        if next(count) % 1_000 == 0:
            time.sleep(reads_s)
        return read(content)

    monkeypatch.setattr(sentences, "read_ending", read_slowly)
    monkeypatch.setattr(migrate, "_TOLD_EVERY_S", 0.0)
    # What does not go on is given up: ...
    monkeypatch.setattr(migrate, "_TIMEOUT_S", reads_s / 3)
    with pytest.raises(StoreUnavailable):
        await migrate.upgrade(database)
    # ... but not what only takes long, here longer than the limit.
    monkeypatch.setattr(migrate, "_TIMEOUT_S", limit_s)
    caplog.set_level("INFO", "ray.serve.seedcore")
    await migrate.upgrade(database)
    told = [each.getMessage() for each in caplog.records if getattr(each, "action", None) == "store_migrated"]
    assert told[0].startswith("the database is migrated: the endings of 5000 jobs are to be ")
    assert told[-1] == "the database is migrated: the endings of 5000 of 5000 jobs are filled"
    # How far it was in between.
    assert "the database is migrated: the endings of 1000 of 5000 jobs are filled" in told
    opened = await Store.open(database, timeout_s=30)
    found = await opened.find_job("4955", "m")
    assert found is not None
    assert found["row"]["exit_code"] == -9
    await opened.close()


async def test_what_is_interrupted_is_as_if_it_had_not_begun(old: str) -> None:
    await run(old, lambda connection: connection.exec_driver_sql("ALTER TABLE alerts RENAME TO away"))
    # The jobs are read when it comes to the alerts.
    with pytest.raises(StoreUnavailable):
        await Store.open(old, timeout_s=30)

    def revision_and_columns(connection: Connection) -> tuple[Any, bool]:
        metadata = MetaData()
        metadata.reflect(connection, only=["alembic_version", "jobs"])
        version = connection.execute(select(metadata.tables["alembic_version"])).scalar()
        return version, "error_type" in metadata.tables["jobs"].columns

    assert await run(old, revision_and_columns) == ("0006", False)
    await run(old, lambda connection: connection.exec_driver_sql("ALTER TABLE away RENAME TO alerts"))
    opened = await Store.open(old, timeout_s=30)
    found = await opened.find_job("killed", "session_old")
    assert found is not None
    assert found["row"]["exit_code"] == -9
    await opened.close()


async def test_lines_of_the_old_form_are_imported_and_those_of_the_new_bring_all(store: Store, tmp_path: Path) -> None:
    lines = [json.dumps(line) for line in OLD["lines"]]
    assert all("error_type" not in line for line in OLD["lines"])
    other = await Store.open(f"sqlite:///{tmp_path}/other.db", timeout_s=30)
    assert await other.import_jobs(lines) == 3
    listed = {each["row"]["id"]: each["row"] for each in await other.list_jobs({"limit": 10})}
    # What they only say in a sentence is read of it, as the migration does.
    endings = {name: (row["error_type"], row["exit_code"]) for name, row in listed.items()}
    known = {"failed": ("JOB_ENTRYPOINT_COMMAND_ERROR", 1), "good": (None, 0), "lost": (None, None)}
    assert endings == known
    # What this database has learned travels.
    exported = {line["id"]: line for line in await store.export_jobs("")}
    moved = exported["failed"] | {"updated_at": "2027-01-01T00:00:00+00:00"}
    assert await other.import_jobs([json.dumps(moved)]) == 1
    found = await other.find_job("failed")
    assert found is not None
    assert (found["row"]["error_type"], found["row"]["exit_code"]) == ("JOB_ENTRYPOINT_COMMAND_ERROR", 1)
    # To the last digit: an import compares them.
    assert exported["failed"]["first_seen_at"] == "2026-01-01T12:00:00.123456+00:00"
    await other.close()


async def test_a_line_of_the_old_form_takes_back_nothing_that_is_known(store: Store) -> None:
    line = next(line for line in OLD["lines"] if line["id"] == "failed")
    cut = {**line["content"], "evidence": []}
    newer = {**line, "updated_at": "2027-01-01T00:00:00+00:00", "content": cut, "log_excerpt": "newer"}
    newer["transitions"] = []
    assert await store.import_jobs([json.dumps(newer)]) == 1
    found = await store.find_job("failed", "session_old")
    assert found is not None
    assert (found["row"]["error_type"], found["row"]["exit_code"]) == ("JOB_ENTRYPOINT_COMMAND_ERROR", 1)
    assert found["log_excerpt"] == "newer"
    # One of the new form says that there is none.
    newest = {**newer, "updated_at": "2028-01-01T00:00:00+00:00", "error_type": None, "exit_code": None}
    assert await store.import_jobs([json.dumps(newest)]) == 1
    found = await store.find_job("failed", "session_old")
    assert found is not None
    assert (found["row"]["error_type"], found["row"]["exit_code"]) == (None, None)


async def test_a_line_of_another_hand_is_mended_or_refused_by_its_number(store: Store) -> None:
    good = next(line for line in OLD["lines"] if line["id"] == "good")
    strange = {
        **good, "id": "x", "key": f"{good['session']}/x", "name": "x", "transitions": [],
        "content": {"row": {"id": "y", "foo": 1, "started_at": "2026-01-01 00:00"}, "more": 7},
    }  # fmt: skip
    assert await store.import_jobs([json.dumps(strange)]) == 1
    listed = [each["row"] for each in await store.list_jobs({"limit": 500}) if each["row"]["id"] == "x"]
    assert len(listed) == 1
    names = ("session", "kind", "status", "outcome", "verdict", "rule")
    assert {name: listed[0][name] for name in names} == {name: good[name] for name in names}
    assert (listed[0]["started_at"], listed[0]["owner"], "foo" in listed[0]) == (
        "2026-01-01T00:00:00.000+00:00", None, False
    )  # fmt: skip
    for changes, why in (
        ({"content": {"row": {"duration_s": "long"}}}, "content.row.duration_s: Input should be a valid number"),
        ({"content": {"row": {"started_at": "noon"}}}, "content.row.started_at"),
        ({"content": {"row": {}, "evidence": [7]}}, "content.evidence.0"),
        ({"outcome": "superb"}, "content.row.outcome"),
        ({"diagnosis": {"code": "x"}}, "diagnosis.diagnosis: Field required."),
        # In UTC each of these is in a year that no calendar here has.
        ({"content": {"row": {"started_at": BEFORE_ALL}}}, "content.row.started_at"),
        ({"content": {"row": {"ended_at": AFTER_ALL}}}, "content.row.ended_at"),
        ({"first_seen_at": BEFORE_ALL}, "first_seen_at: Value error, in UTC it is not between the years 1 and 9999."),
        ({"updated_at": AFTER_ALL}, "updated_at: Value error, in UTC"),
        ({"transitions": [{**good["transitions"][0], "at": AFTER_ALL}]}, "transitions.0.at: Value error, in UTC"),
        ({"started_us": 2**61}, "started_us: Input should be less than or equal to 253402300799000000"),
        ({"ended_us": 2**61}, "ended_us: Input should be less than or equal to 253402300799000000"),
    ):
        with pytest.raises(InvalidInput, match=f"line 2 is no job: {re.escape(why)}"):
            await store.import_jobs([json.dumps(good), json.dumps({**strange, **changes})])


async def test_a_line_of_the_first_or_the_last_moment_is_a_line(database: str) -> None:
    store = await Store.open(database, timeout_s=30)
    good = next(line for line in OLD["lines"] if line["id"] == "good")
    first, last = "0001-01-01T05:00:00+05:00", "9999-12-31T18:59:59.999999-05:00"
    step = {**good["transitions"][0], "at": first}
    line = {**good, "first_seen_at": first, "updated_at": last, "transitions": [step], "started_us": 253402300799000000}
    assert await store.import_jobs([json.dumps(line)]) == 1
    found = await store.find_job("good")
    assert found is not None
    assert (found["first_seen_at"], found["updated_at"], found["transitions"][0]["at"]) == (
        "0001-01-01T00:00:00.000+00:00", "9999-12-31T23:59:59.999+00:00", "0001-01-01T00:00:00.000+00:00"
    )  # fmt: skip
    exported = {each["id"]: each for each in await store.export_jobs("")}
    assert (exported["good"]["first_seen_at"], exported["good"]["updated_at"]) == (
        "0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59.999999+00:00"
    )  # fmt: skip
    await store.close()


async def test_a_row_that_another_hand_wrote_costs_its_field_and_no_page(store: Store, old: str) -> None:
    def spoil(connection: Connection) -> None:
        row = {"id": "y", "foo": 1, "started_at": "2026-01-01 00:00"}
        connection.execute(jobs.update().where(jobs.c.id == "good").values(content=json.dumps({"row": row})))

    await run(old, spoil)
    listed = {each["key"]: each["row"] for each in await store.list_jobs({"limit": 500})}
    found = await store.find_job("good")
    assert found is not None
    assert found["row"] == listed["session_old/good"]
    assert (found["row"]["session"], found["row"]["started_at"]) == ("session_old", "2026-01-01T00:00:00.000+00:00")
    assert ("foo" in found["row"], found["evidence"]) == (False, [])
    assert len(listed) == len(OLD["tables"]["jobs"])
