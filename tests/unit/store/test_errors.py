"""What is wrong with the database, in our words: one row for each way the drivers say it."""

from __future__ import annotations

import pickle
import sqlite3

import asyncpg
import pytest
from sqlalchemy import exc

from serve_app.errors import InvalidInput, Unavailable
from serve_app.store.errors import (
    _ADVICE,
    StoreMisconfigured,
    StoreTooNew,
    StoreUnavailable,
    describe_error,
    translate_errors,
)


def in_sqlite(name: str) -> exc.DBAPIError:
    error = sqlite3.OperationalError("text with a secret")
    error.sqlite_errorname = name
    return exc.OperationalError("SELECT secret", {}, error)


class Adapted(Exception):
    """As SQLAlchemy's asyncpg adapter raises it: the driver's error is the cause."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__("text with a secret")
        self.sqlstate = getattr(cause, "sqlstate", None)
        self.__cause__ = cause


def in_postgresql(cause: BaseException) -> exc.DBAPIError:
    return exc.DBAPIError("SELECT secret", {}, Adapted(cause))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (in_sqlite("SQLITE_BUSY"), "the database is locked by another process"),
        (in_sqlite("SQLITE_BUSY_SNAPSHOT"), "the database is locked by another process"),
        (in_sqlite("SQLITE_READONLY_DIRECTORY"), "the database is read-only"),
        (in_sqlite("SQLITE_FULL"), "the disk of the database is full"),
        (in_sqlite("SQLITE_INTERRUPT"), "the database did not answer in time"),
        (in_sqlite("SQLITE_CANTOPEN"), "the database file cannot be opened, read or written"),
        (in_sqlite("SQLITE_IOERR_WRITE"), "the database file cannot be opened, read or written"),
        (in_sqlite("SQLITE_NOTADB"), "the database file is damaged, or is no database"),
        (in_sqlite("SQLITE_MISMATCH"), "the database reported SQLITE_MISMATCH"),
        (in_postgresql(asyncpg.QueryCanceledError("secret")), "the database did not answer in time"),
        (in_postgresql(asyncpg.DiskFullError("secret")), "the disk of the database is full"),
        (in_postgresql(asyncpg.ReadOnlySQLTransactionError("secret")), "the database is read-only"),
        (in_postgresql(asyncpg.TooManyConnectionsError("secret")), "the database accepts no more connections"),
        (in_postgresql(asyncpg.AdminShutdownError("secret")), "the database cannot be reached"),
        (in_postgresql(asyncpg.ConnectionDoesNotExistError("secret")), "the database cannot be reached"),
        (in_postgresql(asyncpg.DeadlockDetectedError("secret")), "the database is locked by another process"),
        (
            in_postgresql(asyncpg.UndefinedTableError("secret")),
            "the database lacks a table or a right that this version needs",
        ),
        (in_postgresql(asyncpg.DivisionByZeroError("secret")), "the database reported 22012"),
        (in_postgresql(ConnectionResetError("secret")), "the database cannot be reached"),
        (asyncpg.InvalidPasswordError("secret"), "the database refuses the login"),
        (asyncpg.InvalidCatalogNameError("secret"), "the database does not exist on its server"),
        (asyncpg.CannotConnectNowError("secret"), "the database cannot be reached"),
        (asyncpg.InterfaceError("secret"), "the database cannot be reached"),
        (ConnectionRefusedError("secret"), "the database cannot be reached"),
        (FileNotFoundError(2, "no socket"), "the database cannot be reached"),
        (PermissionError(13, "secret", "/secret/home"), "the database file cannot be opened, read or written"),
        (TimeoutError(), "the database did not answer in time"),
        (exc.TimeoutError("secret"), "the database did not answer in time"),
    ],
)
def test_reason(error: Exception, reason: str) -> None:
    assert describe_error(error) == reason
    with pytest.raises(StoreUnavailable) as raised, translate_errors():
        raise error
    advice = _ADVICE.get(reason)
    assert raised.value.detail == f"The store is unavailable: {reason}{'' if advice is None else f'; {advice}'}."
    assert raised.value.status == (507 if reason == "the disk of the database is full" else 503)
    assert raised.value.__suppress_context__


@pytest.mark.parametrize("error", [InvalidInput("no"), ValueError("a mistake of ours"), KeyError("k")])
def test_other_errors_pass(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, translate_errors():
        raise error
    assert raised.value is error


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (StoreUnavailable, "store_unavailable"),
        (StoreMisconfigured, "store_misconfigured"),
        (StoreTooNew, "store_too_new"),
    ],
)
def test_they_travel_between_replicas(kind: type[StoreUnavailable], code: str) -> None:
    error = pickle.loads(pickle.dumps(kind("Said so.", hint="member")))
    assert (type(error), error.detail, error.code, error.status, error.members) == (
        kind,
        "Said so.",
        code,
        503,
        {"hint": "member"},
    )
    assert isinstance(error, Unavailable)
