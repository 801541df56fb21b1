"""Errors of the store, and the one place that turns the database's errors into them.

    Unavailable
    └── StoreUnavailable        503, the database is down, slow or read-only; 507, its disk is full
        ├── StoreMisconfigured  503, the database URL cannot be used
        └── StoreTooNew         503, the database was made by a newer version

Sentences name the kind of fault and never quote the database: its messages can hold addresses and stored values.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy import exc

from serve_app.errors import OUT_OF_SPACE, Unavailable

log = logging.getLogger("ray.serve.seedcore")

_UNREACHABLE = "the database cannot be reached"
_SLOW = "the database did not answer in time"
_FULL = "the disk of the database is full"
_READ_ONLY = "the database is read-only"
_LOCKED = "the database is locked by another process"
_LOGIN = "the database refuses the login"
_IO = "the database file cannot be opened, read or written"
_DAMAGED = "the database file is damaged, or is no database"
_INCOMPLETE = "the database lacks a table or a right that this version needs"

# Names of result codes: https://www.sqlite.org/rescode.html. Extended ones begin with the name of the primary code.
_SQLITE = {
    "SQLITE_BUSY": _LOCKED,
    "SQLITE_LOCKED": _LOCKED,
    "SQLITE_READONLY": _READ_ONLY,
    "SQLITE_FULL": _FULL,
    "SQLITE_INTERRUPT": _SLOW,
    "SQLITE_CANTOPEN": _IO,
    "SQLITE_IOERR": _IO,
    "SQLITE_PERM": _IO,
    "SQLITE_AUTH": _IO,
    "SQLITE_CORRUPT": _DAMAGED,
    "SQLITE_NOTADB": _DAMAGED,
}
_LACKING = ("no such table", "no such column")
# SQLSTATEs, longest prefix first: https://www.postgresql.org/docs/current/errcodes-appendix.html
_POSTGRESQL = (
    ("57014", _SLOW),
    ("55P03", _LOCKED),
    ("40P01", _LOCKED),
    ("53100", _FULL),
    ("53300", "the database accepts no more connections"),
    ("25006", _READ_ONLY),
    ("3D000", "the database does not exist on its server"),
    ("42501", _INCOMPLETE),
    ("42P01", _INCOMPLETE),
    ("42703", _INCOMPLETE),
    ("57P", _UNREACHABLE),
    ("08", _UNREACHABLE),
    ("28", _LOGIN),
)


# What a person can do about each; the rest mends itself, or is a matter of its address.
_ADVICE = {
    _UNREACHABLE: "start it, or mend its address",
    _SLOW: "look at what its disk or server is busy with",
    _FULL: "free space where the home is (PostgreSQL: on the disk of its server)",
    _READ_ONLY: "let its owner write the file and its directory (PostgreSQL: end the read-only mode of its server)",
    _LOCKED: "end the process that holds it",
    _LOGIN: "mend user and password of its address",
    _IO: "look at its directory, its rights and its disk",
    _DAMAGED: "put a whole one back, or set it aside and begin anew by `python -m serve_app.database begin`",
    _INCOMPLETE: "restore it, or give its user all rights in its schema",
}


class StoreUnavailable(Unavailable):
    """The store cannot answer now: its database is down, slow, full or read-only.

    A full disk has the code ``store_full``, and therefore the status 507 (``AppError``).
    """

    code, title = "store_unavailable", "Store unavailable"


class StoreMisconfigured(StoreUnavailable):
    """The database URL cannot be used, whatever the state of the database."""

    code = "store_misconfigured"


class StoreTooNew(StoreUnavailable):
    """The database was made by a newer version of this application."""

    code = "store_too_new"


@contextmanager
def translate_errors() -> Iterator[None]:
    """Raise ``StoreUnavailable`` for every fault of the database in the block; other errors pass."""
    try:
        yield
    except (exc.DBAPIError, exc.TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        reason = describe_error(error)
        advice = _ADVICE.get(reason)
        origin = _find_origin(error)
        log.warning(
            "store failed: %s",
            reason,
            extra={"action": "store_failed", "error": type(origin).__name__, "error_code": _get_code(origin)},
        )
        # Without its cause: what the database said is not for whoever prints a traceback.
        code = OUT_OF_SPACE if reason == _FULL else None
        todo = "" if advice is None else f"; {advice}"
        raise StoreUnavailable(f"The store is unavailable: {reason}{todo}.", code=code) from None


def describe_error(error: BaseException) -> str:
    """What is wrong with the database, in words of our own."""
    origin = _find_origin(error)
    if isinstance(origin, TimeoutError | exc.TimeoutError):
        return _SLOW
    code = _get_code(origin)
    # It has no code of its own (sqlite3/src/build.c, ``sqlite3LocateTable``; resolve.c).
    if code == "SQLITE_ERROR" and str(origin).startswith(_LACKING):
        return _INCOMPLETE
    if code.startswith("SQLITE_"):
        return _SQLITE.get("_".join(code.split("_")[:2]), f"the database reported {code}")
    if code:
        known = (reason for prefix, reason in _POSTGRESQL if code.startswith(prefix))
        return next(known, f"the database reported {code}")
    # Only errors of files have names; those of sockets have none.
    return _IO if isinstance(origin, OSError) and origin.filename is not None else _UNREACHABLE


def is_incomplete(error: BaseException) -> bool:
    """Whether a table or a right is missing."""
    return describe_error(error) == _INCOMPLETE


def is_damage(error: BaseException) -> bool:
    """Whether the file is damaged, or no database."""
    return describe_error(error) == _DAMAGED


def _find_origin(error: BaseException) -> BaseException:
    """The driver's own error: SQLAlchemy and its asyncpg adapter each wrap it once."""
    if isinstance(error, exc.DBAPIError) and error.orig is not None:
        error = error.orig
    wrapped = error.__cause__
    return wrapped if isinstance(wrapped, asyncpg.PostgresError | asyncpg.InterfaceError | OSError) else error


def _get_code(origin: BaseException) -> str:
    return str(getattr(origin, "sqlite_errorname", None) or getattr(origin, "sqlstate", None) or "")
