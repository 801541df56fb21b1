"""The index for searching jobs by text; what it is for, ``serve_app.store.jobs.pages`` says."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision: str | None = "0004"
branch_labels: str | None = None
depends_on: str | None = None

# MINUTE is the lowest number of the minute in which a job began: minutes since 1970, 0 when that is not known, times
# the numbers that a minute has.
_MINUTE = "min(max(new.started_us, 0) / 60000000, 70368744177664) * 65536"
_ENTER = """
    INSERT INTO job_places (number, key, started_us, name, kind, status, outcome, verdict)
    SELECT
        coalesce(max(number) + 1, MINUTE),
        new.key, new.started_us, new.name, new.kind, new.status, new.outcome, new.verdict
    FROM job_places WHERE number BETWEEN MINUTE AND MINUTE + 65535;
    INSERT INTO job_search (rowid, text) SELECT number, new.searchable FROM job_places WHERE key = new.key;
"""
# FTS5 keeps no text of its own here: what is taken out must be told as it was put in.
_REMOVE = """
    INSERT INTO job_search (job_search, rowid, text)
    SELECT 'delete', number, old.searchable FROM job_places WHERE key = old.key;
    DELETE FROM job_places WHERE key = old.key;
"""
_TEMPLATES = (
    """
    CREATE TABLE job_places (
        number INTEGER PRIMARY KEY,
        key TEXT NOT NULL UNIQUE,
        started_us BIGINT NOT NULL,
        name TEXT NOT NULL,
        kind TEXT NOT NULL,
        status TEXT NOT NULL,
        outcome TEXT NOT NULL,
        verdict TEXT NOT NULL
    )""",
    """
    CREATE VIRTUAL TABLE job_search
    USING fts5(text, content='', columnsize=0, tokenize='trigram case_sensitive 1')""",
    """
    INSERT INTO job_places (number, key, started_us, name, kind, status, outcome, verdict)
    SELECT
        MINUTE - 1 + row_number() OVER (PARTITION BY MINUTE ORDER BY started_us, name),
        key, started_us, name, kind, status, outcome, verdict
    FROM jobs AS new""",
    """
    INSERT INTO job_search (rowid, text)
    SELECT number, searchable FROM job_places JOIN jobs ON jobs.key = job_places.key ORDER BY number""",
    "CREATE TRIGGER jobs_entered AFTER INSERT ON jobs BEGIN ENTER END",
    "CREATE TRIGGER jobs_removed AFTER DELETE ON jobs BEGIN REMOVE END",
    """
    CREATE TRIGGER jobs_moved AFTER UPDATE ON jobs
    WHEN (old.started_us, old.name, old.searchable) IS NOT (new.started_us, new.name, new.searchable)
    BEGIN REMOVE ENTER END""",
    """
    CREATE TRIGGER jobs_judged AFTER UPDATE ON jobs
    WHEN (old.started_us, old.name, old.searchable) IS (new.started_us, new.name, new.searchable)
        AND (old.kind, old.status, old.outcome, old.verdict) IS NOT (new.kind, new.status, new.outcome, new.verdict)
    BEGIN
        UPDATE job_places
        SET (kind, status, outcome, verdict) = (new.kind, new.status, new.outcome, new.verdict)
        WHERE key = new.key;
    END""",
)
_SQLITE = tuple(
    each.replace("ENTER", _ENTER).replace("REMOVE", _REMOVE).replace("MINUTE", _MINUTE) for each in _TEMPLATES
)
_POSTGRESQL = (
    # Immutable, so that it can be indexed: only functions of the server's own catalog, in no collation but C.
    """
    CREATE FUNCTION seedcore_threes(value text) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
        SELECT coalesce(array_agg(DISTINCT three COLLATE "C"), '{}') FROM (
            SELECT a || lead(a, 1) OVER (ORDER BY place) || lead(a, 2) OVER (ORDER BY place) AS three
            FROM unnest(string_to_array(value, NULL)) WITH ORDINALITY AS letters (a, place)
        ) AS threes WHERE three IS NOT NULL
    $$""",
    # Without the list of what is not entered yet: each search would read it through.
    "CREATE INDEX ix_jobs_search ON jobs USING gin (seedcore_threes(searchable)) WITH (fastupdate = off)",
)


def upgrade() -> None:
    """Make it, with the jobs that are there already."""
    statements = _SQLITE if op.get_bind().dialect.name == "sqlite" else _POSTGRESQL
    for statement in statements:
        op.get_bind().exec_driver_sql(statement)
