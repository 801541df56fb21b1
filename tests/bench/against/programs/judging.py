"""CPU of judging 10 000 jobs that ended and 200 that run: for the first time, and again with what is remembered."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from layouts import load

JOBS = 10_000
RUNNING = 200
TIMES = 3
_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def main() -> None:
    """Print the figures in milliseconds: the least of some times, since only others can make it slower."""
    judge, now = load("judge"), _BEGAN + timedelta(seconds=JOBS + 10)
    snapshot, first, again = _make_snapshot(now), [], []
    for _ in range(TIMES):
        memo = judge.Memo()
        first.append(_measure_ms(lambda memo=memo: judge.judge(snapshot, now, memo=memo)))
        again.append(_measure_ms(lambda memo=memo: judge.judge(snapshot, now, memo=memo)))
    print(json.dumps({"first": min(first), "again": min(again)}))


def _measure_ms(work: Any) -> float:
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1000


def _make_snapshot(now: datetime) -> Any:
    models = load("models")
    jobs, exits = [], {}
    for number in range(JOBS + RUNNING):
        runs, is_driver = number >= JOBS, number % 2 == 0
        began = _BEGAN + timedelta(seconds=number)
        job_id = f"{number:08x}"
        jobs.append(
            models.JobFacts(
                id=job_id if is_driver else f"raysubmit_{number}",
                type=models.JobType.DRIVER if is_driver else models.JobType.SUBMISSION,
                status="RUNNING" if runs else ("SUCCEEDED", "FAILED", "STOPPED")[number % 3],
                job_id=job_id,
                submission_id=None if is_driver else f"raysubmit_{number}",
                entrypoint=f"python /srv/jobs/train.py --seed {number}",
                started_at=began,
                ended_at=None if runs else began + timedelta(seconds=4),
                metadata={"job_name": f"train-{number % 50}"},
                node_ip="192.0.2.1",
                exit_code=None if runs or is_driver else (0, 1, None)[number % 3],
            )
        )
        exits[job_id] = models.DriverExit(
            job_id=job_id,
            is_alive=runs,
            exit_type=None if runs else "INTENDED_USER_EXIT",
            exit_detail=None,
            pid=1 + number,
            started_at=began,
            ended_at=None if runs else began + timedelta(seconds=4),
            node_id=None,
        )
    return models.Snapshot(
        taken_at=now,
        jobs=models.Known(tuple(jobs)),
        driver_exits=models.Known(exits),
        nodes=models.Known(()),
        actors=models.Known(()),
        serve=models.Known(models.ServeFacts(None, ())),
        session="session_1",
    )


if __name__ == "__main__":
    main()
