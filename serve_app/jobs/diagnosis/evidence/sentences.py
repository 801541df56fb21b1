"""What Ray's tables, or the history, say about the end of a job, as texts for the engine: rows in, sources out. Pure.

What happens to workers and actors because the job is over is no reason for its end, and is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from serve_app.jobs.diagnosis.evidence.belongings import select_last_attempts
from serve_app.jobs.diagnosis.evidence.tables import BAD_EXITS
from serve_app.jobs.diagnosis.models import DRIVER_PROCESS, Fields, SourceKind, TextSource
from serve_app.jobs.judging.outcome import DELETED, DRIVER_ENDED_BADLY
from serve_app.jobs.models import DriverExit, NodeFacts
from serve_app.schemas.jobs import KeptJob

Row = Mapping[str, Any]

MOST_OF_A_TABLE = 20
MOST_CHARS = 20_000
# Reasons of ``ActorDiedErrorContext`` with which actors end that nobody needs any more (src/ray/protobuf/common.proto).
_NO_LONGER_NEEDED = frozenset({"OUT_OF_SCOPE", "REF_DELETED", "RAY_KILL", "OWNER_DIED"})
_TEXTS = ("error_message", "formatted_exception_string", "reason")
_DEEPEST = 4
_STATUSES_KEPT = {"failed": "FAILED", "lost": "FAILED", "stopped": "STOPPED", "succeeded": "SUCCEEDED"}


def describe_actors(rows: Iterable[Row]) -> list[TextSource]:
    """Why actors died, those left out that died with their owner or because nothing referred to them."""
    dead = [row for row in rows if isinstance(row.get("death_cause"), dict)]
    told = [(row, extract_text(row["death_cause"])) for row in dead if not _was_let_go(row["death_cause"])]
    return [_encode_source(f"actor {row.get('actor_id')}", text) for row, text in told if text][:MOST_OF_A_TABLE]


def describe_tasks(
    failed: Iterable[Row], repaired: frozenset[str], driver_ended_at: datetime | None = None
) -> list[TextSource]:
    """Why tasks failed, the first in time first, each by its last attempt; those of ``repaired`` (ids) have succeeded
    since, and those that had not finished when the driver left failed because of that.
    """
    last = select_last_attempts(failed, driver_ended_at)
    told = [row for row in last if row.get("error_message") and str(row.get("task_id")) not in repaired]
    told.sort(key=lambda row: _parse_milliseconds(row.get("end_time_ms")))
    return [_encode_source(f"task {row.get('task_id')}", _describe_task(row)) for row in told][:MOST_OF_A_TABLE]


def describe_workers(rows: Iterable[Row], mine: frozenset[str], before: datetime | None) -> list[TextSource]:
    """How workers of ``mine`` (ids) ended badly while the driver was at work: what ends after it ends because of it."""
    latest_ms = float("inf") if before is None else before.timestamp() * 1_000
    told = [
        row
        for row in rows
        if row.get("exit_type") in BAD_EXITS
        and str(row.get("worker_id")) in mine
        and _parse_milliseconds(row.get("end_time_ms")) < latest_ms
    ]
    told.sort(key=lambda row: _parse_milliseconds(row.get("end_time_ms")))
    return [
        _encode_source(f"worker {row.get('worker_id')}", f"{row['exit_type']}: {row.get('exit_detail') or ''}")
        for row in told[:MOST_OF_A_TABLE]
    ]


def describe_driver(driver: DriverExit | None) -> list[TextSource]:
    """How the driver process ended, as its worker's row tells it."""
    if driver is None or driver.is_alive or driver.exit_type not in BAD_EXITS:
        return []
    return [_encode_source(DRIVER_PROCESS, f"{driver.exit_type}: {driver.exit_detail or ''}")]


def describe_nodes(nodes: Iterable[NodeFacts], mine: frozenset[str], since: datetime | None) -> list[TextSource]:
    """Why nodes of the job (ids) are dead, those that died after ``since``."""
    earliest = datetime.min.replace(tzinfo=UTC) if since is None else since
    dead = [
        node
        for node in nodes
        if not node.alive and node.node_id in mine and (node.ended_at is None or node.ended_at >= earliest)
    ]
    return [
        _encode_source(f"node {node.node_id}", f"{node.state}: {node.message or ''}") for node in dead[:MOST_OF_A_TABLE]
    ]


def build_source(name: str, text: str, kind: SourceKind = SourceKind.RAY) -> TextSource:
    """A text that is here already."""
    return _encode_source(name, text, kind)


def list_nodes(*tables: Sequence[Row]) -> list[str]:
    """Ids of nodes that rows name, the most frequent first."""
    counts: dict[str, int] = {}
    for row in (row for rows in tables for row in rows):
        node_id = row.get("node_id")
        if isinstance(node_id, str) and node_id:
            counts[node_id] = counts.get(node_id, 0) + 1
    return sorted(counts, key=lambda node_id: -counts[node_id])


def list_workers(*tables: Sequence[Row]) -> frozenset[str]:
    """Ids of workers that rows name."""
    ids = (row.get("worker_id") for rows in tables for row in rows)
    return frozenset(id for id in ids if isinstance(id, str) and id)


def extract_text(cause: Any, depth: int = 0) -> str:
    """The texts within a death cause: one of several messages, each with a text (src/ray/protobuf/gcs.proto)."""
    if not isinstance(cause, dict) or depth > _DEEPEST:
        return ""
    own = [str(cause[name]) for name in _TEXTS if cause.get(name)]
    inner = [extract_text(value, depth + 1) for value in cause.values()]
    return "\n".join(filter(None, [*own, *inner]))[:MOST_CHARS]


def read_past_evidence(stored: KeptJob) -> tuple[Fields, list[TextSource], tuple[str, ...]]:
    """What the history still tells of a job's end, for the engine; and what is missing."""
    row = stored["row"]
    fields = Fields(
        status=_STATUSES_KEPT.get(row["outcome"]),
        # Of one that was deleted Ray's own error tells only that Ray missed its end.
        error_type=None if row["rule"] == DELETED else row["error_type"],
        driver_exit_code=row["exit_code"],
        type=row["type"],
        entrypoint=row["entrypoint"],
    )
    kept = stored["log_excerpt"]
    name = "kept end of the driver's log"
    sources = [_build_kept_source(name, SourceKind.DRIVER, kept)] if kept else []
    sources += [
        _build_kept_source(DRIVER_PROCESS, SourceKind.RAY, each["fact"])
        for each in stored["evidence"]
        if each["source"] == "worker table" and each["rule"] in DRIVER_ENDED_BADLY
    ]
    what = "of its driver's log only the last lines are left" if kept else "no log of it is left"
    return fields, sources, (f"It is of an earlier session of the cluster, or Ray has forgotten it: {what}.",)


def _was_let_go(cause: Any) -> bool:
    context = cause.get("actor_died_error_context")
    return isinstance(context, dict) and context.get("reason") in _NO_LONGER_NEEDED


def _describe_task(row: Row) -> str:
    text = str(row["error_message"])
    kind = row.get("error_type")
    # The type says in a word what the text may not: a worker that died leaves no traceback.
    return text if not kind or kind == "TASK_EXECUTION_EXCEPTION" else f"{kind}: {text}"


def _encode_source(name: str, text: str, kind: SourceKind = SourceKind.RAY) -> TextSource:
    return TextSource(name, kind, [text[-MOST_CHARS:].encode("utf-8", "replace")])


def _parse_milliseconds(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


def _build_kept_source(name: str, kind: SourceKind, text: str) -> TextSource:
    return TextSource(name, kind, [text.encode("utf-8", "replace")])
