"""Runs the revisions on the connection and in the transaction that ``migrate.upgrade`` hands over."""

from __future__ import annotations

from alembic import context

from serve_app.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # DDL is transactional in both databases: a revision is there as a whole or not at all.
    transactional_ddl=True,
)
context.run_migrations()
