"""The motion of a running job as the JSON that the API answers. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from organs.times import format_time
from serve_app.jobs.motion import Circle, Motion, MotionJudgement

if TYPE_CHECKING:
    # It brings pydantic, which the report command can do without.
    from serve_app.schemas.diagnosis import SignalView
    from serve_app.schemas.motion import CircleView, MotionView


def render_motion(judged: MotionJudgement | None) -> MotionView | None:
    """Whether a running job moves, and what it waits for; None for one of which nothing is known."""
    if judged is None:
        return None
    motion = judged.motion
    return {
        "state": judged.state,
        "looked_at": format_time(motion.looked_at),
        "quiet_since": format_time(judged.quiet_since),
        "limit_s": judged.limit_s,
        "sentence": judged.sentence,
        "code": judged.code,
        "waits_for": [
            {
                "what": each.what,
                "name": each.name,
                "id": each.id,
                "pid": each.pid,
                "node_id": each.node_id,
                "since": format_time(each.since),
                "waiter": each.waiter,
                "waiter_id": each.waiter_id,
                "state": each.state,
            }
            for each in motion.waits_for
        ],
        "circles": [_render_circle(each) for each in motion.circles],
        "repaired": motion.repaired,
        "signals": _render_signs(motion),
    }


def _render_circle(circle: Circle) -> CircleView:
    greedy = circle.greediest
    return {
        "what": circle.what,
        "id": circle.id,
        "name": circle.name,
        "failures": circle.failures,
        "first_at": format_time(circle.first_at),
        "last_at": format_time(circle.last_at),
        "code": circle.code,
        "error_type": circle.error_type,
        "last_error": circle.last_error,
        "others_succeed": circle.others_succeed,
        "victim_pid": circle.victim_pid,
        "node_id": circle.node_id,
        "greediest": None
        if greedy is None
        else {"name": greedy.name, "used_bytes": greedy.used_bytes, "job_id": greedy.job_id, "pid": greedy.pid},
    }


def _render_signs(motion: Motion) -> list[SignalView]:
    """What was measured, one by one; what Ray did not tell is null."""
    at, spoke, quiet = format_time(motion.looked_at), format_time(motion.spoke_at), motion.quiet_since is not None
    told: list[tuple[str, float | None, str, str]] = [
        ("unfinished-tasks", motion.unfinished, "tasks", "tasks and actor calls that have not ended"),
        ("processor-use", motion.cores, "cores", "in use by its processes, beyond what an idle process of Ray uses"),
        ("gpu-use", motion.gpu, "GPUs", "the most that one of its processes uses"),
        ("log-size", motion.log_bytes, "bytes", "the length of its log"),
    ]
    return [
        {
            "name": name,
            "value": value,
            "unit": unit,
            "at": at,
            "since": spoke,
            "says": "unknown" if value is None else "still" if quiet else "moving",
            "detail": detail if value is not None else "not told",
        }
        for name, value, unit, detail in told
    ]
