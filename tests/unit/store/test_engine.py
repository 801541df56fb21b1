"""Which database URLs are accepted, and what is shown of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from serve_app.env import Env
from serve_app.store.engine import create_engine, find_database_url, hide_url, keep_private
from serve_app.store.errors import StoreMisconfigured, StoreUnavailable


@pytest.mark.parametrize(
    ("url", "used"),
    [
        ("sqlite:////state/store.db", "sqlite+aiosqlite:////state/store.db"),
        ("sqlite+aiosqlite:////state/store.db", "sqlite+aiosqlite:////state/store.db"),
        ("postgres://u:p@db/x", "postgresql+asyncpg://u:***@db/x"),
        ("postgresql://u:p@db:5433/x", "postgresql+asyncpg://u:***@db:5433/x"),
        ("postgresql+asyncpg://u:p@db/x", "postgresql+asyncpg://u:***@db/x"),
        # libpq's word for what asyncpg calls ssl
        ("postgresql://u:p@db/x?sslmode=require", "postgresql+asyncpg://u:***@db/x?ssl=require"),
        ("postgresql://u@/x?host=/run/postgresql", "postgresql+asyncpg://u@/x?host=%2Frun%2Fpostgresql"),
    ],
)
def test_accepted(url: str, used: str) -> None:
    assert create_engine(url).url.render_as_string(hide_password=True) == used


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("secret", "SEEDCORE_DATABASE_URL is not a database URL."),
        ("postgresql://u:p@db:secret/x", "SEEDCORE_DATABASE_URL is not a database URL."),
        (
            "mysql://u:secret@db/x",
            "SEEDCORE_DATABASE_URL begins with mysql://; accepted are sqlite:///, postgresql:// and postgresql+asyncpg://.",
        ),
        (
            "postgresql+psycopg2://u:secret@db/x",
            "SEEDCORE_DATABASE_URL begins with postgresql+psycopg2://; accepted are sqlite:///, postgresql:// and "
            "postgresql+asyncpg://.",
        ),
        (
            "postgresql://u:secret@db/x?options=-csecret",
            "The database URL has the option options; known are host, port, ssl, sslmode.",
        ),
        ("sqlite:///secret.db", "A SQLite database needs an absolute path: sqlite:////directory/seedcore.db."),
        ("sqlite://", "A SQLite database needs an absolute path: sqlite:////directory/seedcore.db."),
        ("sqlite:///:memory:", "A SQLite database needs an absolute path: sqlite:////directory/seedcore.db."),
        ("sqlite:////state/x.db?mode=ro", "A SQLite database URL takes no options."),
    ],
)
def test_refused_without_quoting_it(url: str, sentence: str) -> None:
    with pytest.raises(StoreMisconfigured) as refused:
        create_engine(url)
    assert refused.value.detail == sentence
    assert (refused.value.code, refused.value.status) == ("store_misconfigured", 503)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://user:secret@db:5432/x", "postgresql://user:***@db:5432/x"),
        ("postgresql://user:s%40cret@db/x", "postgresql://user:***@db/x"),
        ("postgresql://user@db/x?password=secret", "postgresql://user@db/x"),
        ("sqlite:////state/store.db", "sqlite:////state/store.db"),
        ("postgresql://user:secret@db:port/x", "(unreadable database URL)"),
        ("secret", "(unreadable database URL)"),
    ],
)
def test_hidden(url: str, shown: str) -> None:
    assert hide_url(url) == shown


def test_the_home_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    home = tmp_path / "a b%c" / "home"
    url = find_database_url(Env(home=home))
    assert home.stat().st_mode & 0o777 == 0o700
    assert create_engine(url).url.database == str(home / "seedcore.db")


def test_a_configured_database_needs_no_home(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert find_database_url(Env(home=home, database_url="postgresql://db/x")) == "postgresql://db/x"
    assert not home.exists()


def test_a_home_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="the database file cannot be opened, read or written"):
        find_database_url(Env(home=tmp_path / "file" / "home"))


def test_a_sqlite_that_cannot_search_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serve_app.store.engine._has_fts5", lambda: False)
    with pytest.raises(StoreMisconfigured, match="built without FTS5"):
        create_engine("sqlite:////state/store.db")


def test_the_database_is_of_the_owner_alone(tmp_path: Path) -> None:
    names = ["seedcore.db", "seedcore.db-wal", "seedcore.db-shm"]
    keep_private(Env(home=tmp_path))
    assert list(tmp_path.iterdir()) == []
    for name in names:
        (tmp_path / name).touch()
        (tmp_path / name).chmod(0o644)
    keep_private(Env(home=tmp_path))
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in names] == [0o600] * 3
    keep_private(Env(home=tmp_path, database_url="postgresql://db/x"))
