"""The two things that SQLite and PostgreSQL say differently, and how texts are compared on both."""

from __future__ import annotations

import unicodedata

from sqlalchemy import Column, ColumnElement, Table, func
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection


def insert(connection: AsyncConnection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that knows ``on_conflict_do_update``."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


def contains(connection: AsyncConnection, column: Column[str], text: str) -> ColumnElement[bool]:
    """Whether a column contains a text, character for character; both are ``fold``ed where the case shall not matter.

    No LIKE: its wildcards would need escapes, its patterns are bounded, and SQLite's ignores case in ASCII alone.
    """
    position = func.strpos if connection.dialect.name == "postgresql" else func.instr
    return position(column, text) > 0


def fold(text: str) -> str:
    """Text as it is compared: without regard to case, or to how an accent is composed."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
