"""Copies before migrations, and going back: nothing is written over, and what is left behind is counted."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from serve_app.database.__main__ import main
from serve_app.store.errors import StoreTooNew, StoreUnavailable
from serve_app.store.files.copies import KEPT_BACKUPS, back_up, list_copies
from serve_app.store.files.newer import count_writes_since
from serve_app.store.migrate import UpgradePlan, plan_upgrade
from serve_app.store.store import Store
from tests.unit.store.test_lines import make_line

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEEDCORE_HOME", str(tmp_path))
    monkeypatch.delenv("SEEDCORE_DATABASE_URL", raising=False)
    return tmp_path


async def put(path: Path, *keys: str) -> None:
    store = await Store.open(f"sqlite:///{path}")
    for key in keys:
        await store.put_memory(key, key, [], None)
    await store.close()


def set_revision(path: Path, revision: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))


def make_older(path: Path) -> None:
    """As the revision before the newest has it."""
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE settings")
    set_revision(path, "0010")


def list_keys(path: Path) -> list[str]:
    with sqlite3.connect(path) as connection:
        return [key for (key,) in connection.execute("SELECT key FROM memories ORDER BY key")]


def test_before_a_migration_a_copy_is_made_and_one_goes_back_to_it(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = home / "seedcore.db"
    asyncio.run(put(path, "old"))
    make_older(path)
    assert asyncio.run(plan_upgrade(f"sqlite:///{path}")) == UpgradePlan("0010", "0011", has_way_back=True)
    asyncio.run(put(path, "new", "newer"))
    [copy] = list_copies(path)
    assert copy.name.startswith("seedcore.db.before-0011-of-0010-")
    assert copy.stat().st_mode & 0o777 == 0o600
    assert list_keys(copy) == ["old"]

    assert main(["back"]) == 1, "nobody agreed"
    said = capsys.readouterr().out
    assert f"{copy.name} takes the place of seedcore.db" in said
    assert "It leaves behind 2 writes (2 in memories)." in said
    assert list_keys(path) == ["new", "newer", "old"]

    assert main(["back", "--yes"]) == 0
    assert list_keys(path) == ["old"]
    [newer] = [each for each in list_copies(path) if ".newer-" in each.name]
    assert list_keys(newer) == ["new", "newer", "old"]
    assert newer.name in capsys.readouterr().out
    assert copy.exists()


async def test_nothing_is_copied_where_nothing_is_migrated(home: Path) -> None:
    path = home / "seedcore.db"
    await put(path, "a")
    await put(path, "b")
    assert list_copies(path) == []
    assert (await plan_upgrade(f"sqlite:///{path}")).describe() is None
    assert (await plan_upgrade(f"sqlite:///{home}/none.db")).describe() is None
    assert not (home / "none.db").exists()


def test_a_migration_that_cannot_be_gone_back_from_is_said_before() -> None:
    assert UpgradePlan("0008", "0009", has_way_back=False).describe() == (
        "The database is brought from revision 0008 to 0009. There is no way back for PostgreSQL: the version before "
        "refuses the database afterwards. Make a dump of your own (pg_dump) before."
    )


async def test_only_the_newest_copies_before_migrations_are_kept(home: Path) -> None:
    path = home / "seedcore.db"
    await put(path, "a")
    aside = path.with_name("seedcore.db.set-aside-20200101T000000Z")
    aside.write_text("of a person")
    made = [back_up(path, NOON + timedelta(days=day), have="1", target="2") for day in range(KEPT_BACKUPS + 2)]
    assert list_copies(path) == [aside, *made[2:]]


async def test_a_newer_database_is_refused_with_the_way_back(home: Path) -> None:
    path = home / "seedcore.db"
    await put(path, "a")
    set_revision(path, "9999")
    with pytest.raises(StoreTooNew, match=r"go back to the copy .* by `python -m serve_app\.database back`"):
        await Store.open(f"sqlite:///{path}")


def test_garbage_is_named_and_set_aside_on_request(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = home / "seedcore.db"
    path.write_text("garbage" * 1_000)
    assert main(["list"]) == 2
    assert "the database file seedcore.db is damaged, or is no database" in capsys.readouterr().out
    assert main(["begin"]) == 1
    assert path.read_text() == "garbage" * 1_000
    assert main(["begin", "--yes"]) == 0
    [aside] = list_copies(path)
    assert aside.read_text() == "garbage" * 1_000
    assert aside.name in capsys.readouterr().out
    asyncio.run(put(path, "a"))
    assert list_keys(path) == ["a"]


async def test_an_application_that_runs_goes_on_with_the_new_one(home: Path) -> None:
    path = home / "seedcore.db"
    store = await Store.open(f"sqlite:///{path}")
    await store.put_memory("a", 1, [], None)
    assert await asyncio.to_thread(main, ["begin", "--yes"]) == 0
    with pytest.raises(StoreUnavailable, match="was replaced while in use"):
        await store.put_memory("b", 1, [], None)
    assert store.is_outdated
    await store.close()


def test_secrets_that_cannot_be_read_end_the_command_with_a_sentence(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    secrets = home / "secrets.yaml"
    secrets.write_text("database_url: sqlite:////x")
    secrets.chmod(0o644)
    monkeypatch.setenv("SEEDCORE_SECRETS_FILE", str(secrets))
    assert main(["list"]) == 2
    assert f"run `chmod 600 {secrets}`" in capsys.readouterr().err


async def test_rows_of_the_future_hide_no_write_that_is_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "seedcore.db"
    store = await Store.open(f"sqlite:///{path}")
    await store.import_jobs([json.dumps(make_line("a", updated_at="9999-01-01T00:00:00+00:00"))])
    copy = back_up(path, NOON, have="0010", target="0011")
    await store.put_memory("later", 1, [], None)
    await store.close()
    assert count_writes_since(path, copy, datetime.now(UTC)) == {"memories": 1}
