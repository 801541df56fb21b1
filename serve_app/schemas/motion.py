"""Whether a running job moves, in `/jobs/{id}`."""

from __future__ import annotations

from typing import Annotated

from typing_extensions import TypedDict

from organs.fields import Time, allow_words, closed, describe, describe_time
from serve_app.schemas.diagnosis import MotionWord, SignalView

AwaitedWord = Annotated[str, allow_words("task", "actor-call", "actor", "placement-group", "rank")]
CirclingWord = Annotated[str, allow_words("task", "actor", "job")]


@closed
class AwaitedView(TypedDict):
    """One thing that a job waits for, and who waits for it."""

    what: Annotated[AwaitedWord, describe("What it is; `rank`: a member of a group that has not come.", "actor-call")]
    name: Annotated[str, describe("Its name.", "Rank.barrier")]
    id: Annotated[str, describe("Ray's id of it.", "c8ef45ccd0112571f5b1c2d3e4f5061728394a5b01000000")]
    pid: Annotated[int | None, describe("The process that has it; null: none, or not known.", 4711, unit="process id")]
    node_id: Annotated[str | None, describe("The node of that.", "6b7f0d1c2a3e4f5061728394a5b6c7d8e9f00112233445")]
    since: Annotated[Time | None, describe_time("Since when it is so, by Ray's table.")]
    waiter: Annotated[str, describe("Who waits for it; empty: not known.", "the driver")]
    waiter_id: Annotated[str, describe("Ray's id of that.", "01000000")]
    state: Annotated[str, describe("Ray's word for it, or what it lacks.", "RUNNING")]


@closed
class CulpritView(TypedDict):
    """Who took most memory when something was killed for it, of whichever job."""

    name: Annotated[str, describe("Its process.", "ray::shard")]
    used_bytes: Annotated[int | None, describe("So much.", 5776731013, unit="bytes")]
    job_id: Annotated[str | None, describe("Ray's id of its job.", "01000000")]
    pid: Annotated[int | None, describe("Its process.", 4711, unit="process id")]


@closed
class CircleView(TypedDict):
    """One task that fails, or one actor that is restarted, again and again."""

    what: Annotated[CirclingWord, describe("`job`: no single one, but more failed than succeeded.", "task")]
    id: Annotated[str, describe("Ray's id of it.", "c8ef45ccd0112571ffffffffffffffffffffffff01000000")]
    name: Annotated[str, describe("Its name.", "shard")]
    failures: Annotated[int, describe("How often.", 4, unit="failures")]
    first_at: Annotated[Time | None, describe_time("When first.")]
    last_at: Annotated[Time | None, describe_time("When last.")]
    code: Annotated[str, describe("The cause code of the last.", "memory.node-oom")]
    error_type: Annotated[str, describe("Ray's word for it.", "OUT_OF_MEMORY")]
    last_error: Annotated[
        str, describe("A line of it, redacted.", "Task was killed due to the node running low on memory.")
    ]
    others_succeed: Annotated[
        bool | None, describe("Whether other tasks of the job go on; null: not known, Ray did not tell.", False)
    ]
    victim_pid: Annotated[int | None, describe("The process that failed last.", 4711, unit="process id")]
    node_id: Annotated[str | None, describe("The node of that.", "6b7f0d1c2a3e4f5061728394a5b6c7d8e9f00112233445")]
    greediest: Annotated[CulpritView | None, describe("Who took most memory, if it was for that.")]


@closed
class MotionView(TypedDict):
    """Whether a running job moves, and if not what it waits for."""

    state: Annotated[MotionWord, describe("Whether it moves.", "stuck")]
    looked_at: Annotated[Time, describe_time("When it was looked at last.")]
    quiet_since: Annotated[Time | None, describe_time("Since when it shows no sign of life; null: it does.")]
    limit_s: Annotated[float, describe("For so long it may.", 600.0, unit="s")]
    sentence: Annotated[str, describe("The same in words.", "It moves.")]
    code: Annotated[str | None, describe("The cause code, if one is proven.", "app.get-timeout")]
    waits_for: Annotated[list[AwaitedView], describe("What it waits for, the most telling first, at most 10.")]
    circles: Annotated[list[CircleView], describe("What of it fails again and again.")]
    repaired: Annotated[int, describe("Attempts that failed and were made good.", 0, unit="attempts")]
    signals: Annotated[list[SignalView], describe("What was seen of it.")]
