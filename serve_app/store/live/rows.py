"""The settings that each deployment accepted last, and what it refused since, in the table ``settings``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from organs.times import format_time
from serve_app.redaction import redact
from serve_app.schemas.findings import RefusedSettings, SettingMistake
from serve_app.store.bounds import encode, make_storable, require_name
from serve_app.store.dialect import insert
from serve_app.store.tables import settings

# A team's signatures and kinds are the longest settings there are.
MAX_SETTINGS_BYTES = 4_194_304
MAX_REFUSED = 200
_MAX_REFUSAL_BYTES = 65_536
_MOST_MISTAKES = 10
_GOT_CHARS = 60
_TEXT_CHARS = 300


async def note(
    connection: AsyncConnection,
    now: datetime,
    application: str,
    deployment: str,
    accepted: Mapping[str, Any] | None,
    refused: Mapping[str, Any] | None,
) -> None:
    """Keep settings that are in force, which ends a refusal; or a refusal, which leaves them as they are.

    A refusal is redacted and cut. Raises ``InvalidInput`` for what is longer than anything that people write.
    """
    names = {
        "application": require_name("application", application),
        "deployment": require_name("deployment", deployment),
    }
    values: dict[str, Any] = {"refused": None, "refused_at": None}
    if accepted is not None:
        content = encode("settings", dict(accepted), max_bytes=MAX_SETTINGS_BYTES, ascii_only=True)
        values |= {"content": content, "kept_at": now}
    if refused is not None:
        told = encode("refusal", shorten_refusal(refused), max_bytes=_MAX_REFUSAL_BYTES, ascii_only=True)
        values |= {"refused": told, "refused_at": await _find_since(connection, names, told) or now}
    await connection.execute(
        insert(connection, settings)
        .values(**names, **values)
        .on_conflict_do_update(index_elements=["application", "deployment"], set_=values)
    )


async def find_last(connection: AsyncConnection, application: str, deployment: str) -> dict[str, Any] | None:
    """The settings of the deployment that were accepted last; None when none ever were."""
    content = await connection.scalar(
        select(settings.c.content).where(
            settings.c.application == require_name("application", application),
            settings.c.deployment == require_name("deployment", deployment),
        )
    )
    found: dict[str, Any] | None = None if content is None else json.loads(content)
    return found


async def list_refused(connection: AsyncConnection, application: str) -> list[RefusedSettings]:
    """What the deployments of the application have refused and not accepted since, at most 200."""
    rows = await connection.execute(
        select(settings.c.deployment, settings.c.refused, settings.c.refused_at)
        .where(settings.c.application == require_name("application", application), settings.c.refused.is_not(None))
        .order_by(settings.c.deployment)
        .limit(MAX_REFUSED)
    )
    return [render_refused(row.deployment, json.loads(row.refused), format_time(row.refused_at)) for row in rows]


def shorten_refusal(refused: Mapping[str, Any]) -> dict[str, Any]:
    """A refusal as it may be told: without secrets, and no longer than is read."""
    mistakes: Sequence[Mapping[str, Any]] = refused["mistakes"]
    return {
        "mistakes": [
            {
                "key": _show(each["key"], _TEXT_CHARS),
                "got": _show(each["got"], _GOT_CHARS),
                "expected": _show(each["expected"], _TEXT_CHARS),
            }
            for each in mistakes[:_MOST_MISTAKES]
        ],
        "in_force": _show(refused["in_force"], _TEXT_CHARS),
    }


def render_refused(deployment: str, refusal: Mapping[str, Any], since: str | None) -> RefusedSettings:
    """A refusal that was shortened, as it is answered."""
    mistakes: list[SettingMistake] = [
        {"key": each["key"], "got": each["got"], "expected": each["expected"]} for each in refusal["mistakes"]
    ]
    return {"deployment": deployment, "mistakes": mistakes, "in_force": refusal["in_force"], "since": since}


async def _find_since(connection: AsyncConnection, names: Mapping[str, str], told: str) -> datetime | None:
    """When the same was refused first: each replica tells it."""
    row = (
        await connection.execute(
            select(settings.c.refused, settings.c.refused_at).where(
                settings.c.application == names["application"], settings.c.deployment == names["deployment"]
            )
        )
    ).one_or_none()
    return row.refused_at if row is not None and row.refused == told else None


def _show(text: Any, most_chars: int) -> str:
    shown = " ".join(redact(make_storable(str(text), 4_000)).split())
    return shown if len(shown) <= most_chars else shown[: most_chars - 1] + "…"
