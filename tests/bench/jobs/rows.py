"""Rows as Ray would give them, and records as the store keeps them: many, different, and the same in each run."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from typing import Any

from serve_app.jobs.history.recorder import build_record
from serve_app.jobs.models import Evidence, JobRow, JobType, Verdict
from serve_app.outcomes import JobOutcome

SESSION = "session_2026-01-01_00-00-00_000000_1"
# Young enough for the history to keep.
BEGAN_S = float(round(time.time()) - 20 * 86_400)
_KINDS = ("user", "nightly", "coa-initialization", "observer")
_ENDS = (
    (JobOutcome.SUCCEEDED, Verdict.OK),
    (JobOutcome.FAILED, Verdict.BAD),
    (JobOutcome.ENDED_UNKNOWN, Verdict.UNKNOWN),
)


def records(first: int, count: int) -> list[dict[str, Any]]:
    """Records of ended jobs with numbers from ``first``; one begins each second."""
    return [build_record(_row(number)) for number in range(first, first + count)]


def ray_job(number: int, status: str = "SUCCEEDED") -> dict[str, Any]:
    """A submission as ``GET /api/jobs/`` lists it."""
    began_ms = round((BEGAN_S + number) * 1000)
    ended = status in ("SUCCEEDED", "FAILED", "STOPPED")
    return {
        "type": "SUBMISSION",
        "job_id": f"{number:08x}",
        "submission_id": f"raysubmit_{number:016x}",
        "driver_info": {"id": f"{number:08x}", "node_ip_address": "192.0.2.1", "pid": str(1000 + number % 60_000)},
        "status": status,
        "entrypoint": f"python /srv/jobs/train.py --config configs/{number % 50}.yaml --seed {number}",
        "message": "Job finished successfully." if ended else "Job is currently running.",
        "error_type": None,
        "start_time": began_ms,
        "end_time": began_ms + 4_000 if ended else 0,
        "metadata": {"job_name": f"train-{number % 50}", "team": "research"},
        "runtime_env": {},
        "driver_agent_http_address": "http://192.0.2.1:52365",
        "driver_node_id": "32e39817145914392f82992a9d9df2f57728e0fc870ae7eb41177f92",
        "driver_exit_code": 0 if ended else None,
    }


def ray_worker(number: int, alive: bool = False) -> dict[str, Any]:
    """A driver as ``GET /api/v0/workers`` lists it."""
    began_ms = round((BEGAN_S + number) * 1000)
    return {
        "worker_id": f"{number:08x}" + "f" * 48,
        "worker_type": "DRIVER",
        "is_alive": alive,
        "pid": 1000 + number % 60_000,
        "node_id": "32e39817145914392f82992a9d9df2f57728e0fc870ae7eb41177f92",
        "ip": "192.0.2.1",
        "start_time_ms": str(began_ms),
        "end_time_ms": "0" if alive else str(began_ms + 4_000),
        "exit_type": None if alive else "INTENDED_USER_EXIT",
        "exit_detail": None if alive else "Shutdown by ray.shutdown().",
    }


def _row(number: int) -> JobRow:
    chance = random.Random(number)
    outcome, verdict = chance.choices(_ENDS, (90, 7, 3))[0]
    began = datetime.fromtimestamp(BEGAN_S + number, UTC)
    kind = chance.choices(_KINDS, (70, 20, 5, 5))[0]
    took_s = round(chance.uniform(1, 600), 3)
    id = f"raysubmit_{number:016x}"
    return JobRow(
        id=id,
        job_id=f"{number:08x}",
        submission_id=id,
        type=JobType.SUBMISSION,
        kind=kind,
        entrypoint=f"python /srv/jobs/train.py --config configs/{number % 50}.yaml --seed {number}",
        status="FAILED" if outcome is JobOutcome.FAILED else "SUCCEEDED",
        outcome=outcome,
        verdict=verdict,
        reason="Its entrypoint exited with code 0.",
        rule=outcome.value,
        scheduled_by="Ray Jobs API",
        managed_by="Ray job supervisor",
        started_at=began,
        ended_at=datetime.fromtimestamp(BEGAN_S + number + took_s, UTC),
        duration_s=took_s,
        node_id="32e39817145914392f82992a9d9df2f57728e0fc870ae7eb41177f92",
        metadata={"job_name": f"train-{number % 50}", "team": "research"},
        derived=False,
        hidden=False,
        evidence=(
            Evidence("kind-by-default", "job list", "nothing marks it as anything else"),
            Evidence("exit-code-0", "job list", "status SUCCEEDED, exit code 0"),
        ),
        session=SESSION,
        series=f"{kind}:train-{number % 50}",
    )
