"""Ray's rows of jobs, nodes, actors and Serve into facts, by the names of Ray's fields and with their quirks.

Each converter names the Ray file it mirrors. None raises on a row of Ray's: what is missing or not understood leaves
the field empty, and for jobs a mark that says so, because a row that is dropped is a job that nobody sees.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from serve_app.cluster.rows import (
    count_task_states,
    read_amounts,
    read_id,
    read_items,
    read_number,
    read_object,
    read_text,
    read_time_ms,
)
from serve_app.jobs.drivers import DriverRun
from serve_app.jobs.judging.run_marks import LOG_FOLLOWS, cut_message
from serve_app.jobs.models import ActorFacts, DriverExit, JobFacts, JobType, NodeFacts, TaskCounts, WaitingActor
from serve_app.outcomes import ENDED_STATUSES, STATUSES
from serve_app.redaction import (
    HEADLESS,
    MAX_CHARS,
    REDACTED,
    hide_everywhere,
    hide_values,
    is_secret_pair,
    list_secret_values,
    redact,
    redact_end,
    strip_controls,
)

_ENTRYPOINT_CHARS = 2_000
_MESSAGE_CHARS = 4_000
_HEAD_CHARS = 1_000
# As much of a log as Ray quotes (ray/dashboard/modules/job/job_log_storage_client.py).
_QUOTED_CHARS = 20_000
_DETAIL_CHARS = 300
_ID_CHARS = 256
_METADATA_ENTRIES = 50
# What is shown may be shorter than what it was made of.
_LOOKED_AT_CHARS = 3 * _ENTRYPOINT_CHARS
_JOB_ID_CHARS = 8


def parse_job(row: Any, known: Mapping[str, JobFacts]) -> JobFacts:
    """``JobDetails`` of ray/dashboard/modules/job/pydantic_models.py, times in milliseconds, 0 or null for none.

    A job that had ended when ``known`` was made is taken from there: redacting is most of the cost of a look.
    """
    fields = row if isinstance(row, dict) else {}
    ended_at = read_time_ms(fields.get("end_time"))
    before = known.get(_choose_id(fields))
    if (
        before is not None
        and (before.status, before.ended_at, before.job_id)
        == (fields.get("status"), ended_at, read_text(fields.get("job_id")))
        and before.status in ENDED_STATUSES
        # Another run may have been given its id.
        and before.started_at == read_time_ms(fields.get("start_time"))
    ):
        return before
    driver = fields.get("driver_info")
    driver = driver if isinstance(driver, dict) else {}
    submission_id, status = read_id(fields.get("submission_id")), read_text(fields.get("status")) or ""
    message, runtime_env = read_text(fields.get("message")), fields.get("runtime_env")
    values = read_secret_values(fields)
    return JobFacts(
        id=_choose_id(fields) or f"unnamed-{hashlib.sha256(repr(row).encode(errors='replace')).hexdigest()[:12]}",
        type=JobType.SUBMISSION if submission_id else JobType.DRIVER,
        status=status[:_ID_CHARS],
        job_id=read_text(fields.get("job_id")),
        submission_id=submission_id,
        entrypoint=_redact_cut(read_text(fields.get("entrypoint")) or "", values),
        message=None if message is None else read_message(message, submission_id, values),
        error_type=read_text(fields.get("error_type")),
        started_at=read_time_ms(fields.get("start_time")),
        ended_at=ended_at,
        metadata=_parse_metadata(fields.get("metadata"), values),
        node_id=read_text(fields.get("driver_node_id")),
        node_ip=read_text(driver.get("node_ip_address")),
        pid=read_number(driver.get("pid")),
        exit_code=read_number(fields.get("driver_exit_code")),
        runtime_env_keys=_list_names(runtime_env),
        environment=_digest(runtime_env),
        secret_values=values,
        marks=tuple(_list_marks(row, fields, status)),
    )


def read_secret_values(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Of a row of ``JobDetails``: values of the job's environment that are hidden wherever its texts are shown."""
    variables = read_object(read_object(row.get("runtime_env")).get("env_vars"))
    return list_secret_values(variables) if variables else ()


def keep_both_ends(message: str, values: Sequence[str] = ()) -> str:
    """A message, redacted; of a long one both ends: what it is comes first, the error of a traceback last."""
    whole = redact(message, values) if len(message) <= MAX_CHARS else ""
    if whole and len(whole) <= _MESSAGE_CHARS:
        return whole
    first, end = whole or redact(message[:_MESSAGE_CHARS], values), whole or redact_end(message, values)
    return f"{first[:_HEAD_CHARS]}\n…\n{end[-(_MESSAGE_CHARS - _HEAD_CHARS - 3) :]}"


def read_message(message: str, submission_id: str | None, values: Sequence[str]) -> str:
    """Ray's message on a job, redacted: what it says, and of the log that it quotes the end, which tells what happened
    last; of a log that holds several runs the last run alone."""
    head, quoted, log = cut_message(message, submission_id).partition(LOG_FOLLOWS)
    if not quoted:
        return keep_both_ends(message, values)
    log = log.lstrip("\r\n")
    if len(log) >= _QUOTED_CHARS:
        # Ray cut it, in the midst of a line.
        _, line_end, rest = log.partition("\n")
        log = f"{HEADLESS}{line_end}{rest}"
    shown = redact_end(log, values)
    if len(shown) > _MESSAGE_CHARS:
        shown = shown[-_MESSAGE_CHARS:]
        # What is left of a line is redacted already; of one that is longer than all, its end is shown.
        shown = f"…{shown}" if "\n" not in shown.rstrip("\n") else shown.partition("\n")[2]
    return f"{redact(head, values)[:_HEAD_CHARS]}{quoted}\n{shown}"


def parse_driver_exits(rows: Iterable[Any], known: Mapping[str, DriverExit] | None = None) -> dict[str, DriverExit]:
    """By job id, ``WorkerState`` of ray/util/state/common.py. A driver's worker id is its job id and then ``ff``.

    What had ended in ``known`` is taken from there, unless it was overwritten since; so is a row that says the same.
    """
    found: dict[str, DriverExit] = {}
    known = known or {}
    for row in rows:
        worker_id = read_text(row.get("worker_id")) if isinstance(row, dict) else None
        if worker_id is None or row.get("worker_type", "DRIVER") != "DRIVER":
            continue
        job_id = worker_id[:_JOB_ID_CHARS]
        before = known.get(job_id)
        if before is not None and not before.is_alive and _is_unchanged(row, before):
            found[job_id] = before
            continue
        detail = read_text(row.get("exit_detail"))
        exit_row = DriverExit(
            job_id=job_id,
            is_alive=row.get("is_alive") is not False,
            exit_type=read_text(row.get("exit_type")),
            exit_detail=None if detail is None else _shorten_exit_detail(detail),
            pid=read_number(row.get("pid")) or 0,
            started_at=read_time_ms(row.get("start_time_ms")),
            ended_at=read_time_ms(row.get("end_time_ms")),
            node_id=read_text(row.get("node_id")),
        )
        found[job_id] = before if before == exit_row else exit_row
    return found


def parse_submission_drivers(
    rows: Iterable[Any],
    known: Mapping[str, tuple[DriverRun, ...]],
    values: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, tuple[DriverRun, ...]]:
    """By submission id, ``JobTableData`` of src/ray/protobuf/gcs.proto as ``cluster.private`` hands it on.

    The drivers of one are in the order of their start, which is not always that of their ids (job 256 is 00010000);
    what says the same as in ``known`` is the same object. ``values`` by submission: what is hidden of its texts, since
    the shell has put it into the command.
    """
    before = {facts.job_id: facts for same in known.values() for facts in same if facts.is_dead}
    found: dict[str, list[DriverRun]] = {}
    for row in rows:
        job_id, submission_id = read_text(row.get("job_id")), read_id(row.get("submission_id"))
        if job_id is None or submission_id is None:
            continue
        same, hidden = before.get(job_id), (values or {}).get(submission_id, ())
        found.setdefault(submission_id, []).append(
            hide_everywhere(same, hidden)
            if same is not None and row.get("is_dead") is True
            else _parse_driver(row, job_id, submission_id, hidden)
        )
    drivers = {id: tuple(sorted(same, key=_get_order)) for id, same in found.items()}
    return {id: known[id] if known.get(id) == same else same for id, same in drivers.items()}


def _get_order(driver: DriverRun) -> tuple[float, str]:
    return (driver.started_at.timestamp() if driver.started_at else 0.0, driver.job_id)


def _parse_driver(row: Mapping[str, Any], job_id: str, submission_id: str, values: Sequence[str]) -> DriverRun:
    return DriverRun(
        job_id=job_id,
        submission_id=submission_id,
        entrypoint=_redact_cut(read_text(row.get("entrypoint")) or "", tuple(values)),
        is_dead=row.get("is_dead") is True,
        pid=read_number(row.get("pid")) or None,
        node_id=read_text(row.get("node_id")),
        node_ip=read_text(row.get("node_ip")),
        started_at=read_time_ms(row.get("start_time")),
        ended_at=read_time_ms(row.get("end_time")),
    )


def _is_unchanged(row: Mapping[str, Any], before: DriverExit) -> bool:
    """Whether a row still says of a dead driver what it said: cheaper than reading it again."""
    same = row.get("exit_type") == before.exit_type and row.get("is_alive") is False
    return same and (row.get("pid") or 0) == before.pid


def parse_nodes(rows: Iterable[Any]) -> tuple[NodeFacts, ...]:
    """``NodeState`` of ray/util/state/common.py."""
    return tuple(
        NodeFacts(
            node_id=node_id,
            ip=read_text(row.get("node_ip")) or "",
            is_head=row.get("is_head_node") is True,
            state=read_text(row.get("state")) or "",
            message=None if not row.get("state_message") else redact(str(row["state_message"]))[:_DETAIL_CHARS],
            started_at=read_time_ms(row.get("start_time_ms")),
            ended_at=read_time_ms(row.get("end_time_ms")),
            resources=read_amounts(row.get("resources_total")),
            labels={str(name): str(value) for name, value in read_items(row.get("labels"))},
        )
        for row in rows
        if isinstance(row, dict) and (node_id := read_text(row.get("node_id")))
    )


def parse_actors(rows: Iterable[Any]) -> tuple[ActorFacts, ...]:
    """``ActorState`` of ray/util/state/common.py, without the details."""
    return tuple(
        ActorFacts(
            actor_id=actor_id,
            class_name=read_text(row.get("class_name")) or "",
            name=read_text(row.get("name")),
            state=read_text(row.get("state")) or "",
            job_id=read_text(row.get("job_id")) or "",
            namespace=read_text(row.get("ray_namespace")) or "",
            node_id=read_text(row.get("node_id")),
            pid=read_number(row.get("pid")) or None,
        )
        for row in rows
        if isinstance(row, dict) and (actor_id := read_text(row.get("actor_id")))
    )


def parse_waiting_actors(rows: Iterable[Any]) -> tuple[WaitingActor, ...]:
    """``ActorState`` of ray/util/state/common.py with its details, of actors that are not placed."""
    return tuple(
        WaitingActor(
            actor_id=actor_id,
            name=read_text(row.get("name")),
            class_name=read_text(row.get("class_name")) or "",
            job_id=read_text(row.get("job_id")) or "",
            state=read_text(row.get("state")) or "",
            required=read_amounts(row.get("required_resources")),
        )
        for row in rows
        if isinstance(row, dict) and (actor_id := read_text(row.get("actor_id")))
    )


def find_start(node_id: str | None, rows: Iterable[Any]) -> datetime | None:
    """When the worker process on this node began, from rows of the worker table."""
    same = (row for row in rows if isinstance(row, dict) and row.get("node_id") == node_id)
    return next((read_time_ms(row.get("start_time_ms")) for row in same), None)


def parse_task_counts(answer: Any) -> TaskCounts:
    """``TaskSummaries`` of ray/util/state/common.py for one job; states are those of ``TaskStatus`` in common.proto."""
    states = count_task_states(answer)
    total, failed, finished = sum(states.values()), states["FAILED"], states["FINISHED"]
    running = sum(count for state, count in states.items() if state.startswith("RUNNING"))
    return TaskCounts(total, failed, finished, total - failed - finished - running, running)


def _choose_id(fields: Mapping[str, Any]) -> str:
    """A submission has no job id before it connects, so its own id is the one that stays."""
    return read_id(fields.get("submission_id")) or read_text(fields.get("job_id")) or ""


def _list_marks(row: Any, fields: Mapping[str, Any], status: str) -> Iterable[str]:
    if not isinstance(row, dict):
        yield "the row is not an object"
    elif not _choose_id(fields):
        yield "the row has neither a job id nor a submission id"
    if status not in STATUSES:
        yield f"status {redact(status)[:_ID_CHARS] or '(missing)'} is not known"
    if read_text(fields.get("type")) not in ("SUBMISSION", "DRIVER"):
        yield f"type {redact(str(fields.get('type')))[:_ID_CHARS]} is not known"
    for name in ("start_time", "end_time"):
        if fields.get(name) and read_time_ms(fields[name]) is None:
            yield f"{name} is not a time"


def _parse_metadata(value: Any, values: Sequence[str]) -> dict[str, str]:
    pairs = [(str(name), str(text)) for name, text in list(read_items(value))[:_METADATA_ENTRIES]]
    known = tuple(values)
    return {
        _redact_cut(name, known)[:_ID_CHARS]: REDACTED if is_secret_pair(name, text) else _redact_cut(text, known)
        for name, text in pairs
    }


def _redact_cut(text: str, values: tuple[str, ...]) -> str:
    """As much of a text as is shown, redacted. Values are hidden before it is cut, since it may be within one."""
    return _redact_shown(hide_values(text, values)[:_LOOKED_AT_CHARS], values)[:_ENTRYPOINT_CHARS]


@lru_cache(maxsize=2_048)
def _redact_shown(text: str, values: tuple[str, ...]) -> str:
    """Kept, since those of running jobs are read anew at each look, and redacting costs most of it."""
    return redact(text, values)


def _list_names(value: Any) -> tuple[str, ...]:
    """Keys without their values: a runtime environment is where people put secrets."""
    return tuple(
        sorted(strip_controls(str(name))[:_ID_CHARS] for name, _ in list(read_items(value))[:_METADATA_ENTRIES])
    )


def _digest(runtime_env: Any) -> str:
    """Tells whether two environments are the same, and nothing else: they hold secrets."""
    if not isinstance(runtime_env, dict) or not runtime_env:
        return ""
    text = json.dumps(runtime_env, sort_keys=True, default=str)
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]


@lru_cache(maxsize=512)
def _shorten_exit_detail(text: str) -> str:
    """Ray's exit details are few, repeated for thousands of workers, and go on with a page of common causes."""
    return redact(text.split(" Some common causes", 1)[0])[:_DETAIL_CHARS]
