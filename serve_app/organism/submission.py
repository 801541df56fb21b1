"""The initialization job as Ray's Jobs API knows it: what is submitted, and which of Ray's rows are ours."""

from __future__ import annotations

import hashlib
import shlex
import sys
from collections.abc import Iterable
from typing import Any

from serve_app.cluster.rows import read_time_ms
from serve_app.organism.reconcile import KIND, Submission
from serve_app.parts import MANAGER

# What makes the job's code and packages the application's own; environment variables stay behind, since Ray shows them.
# The replica's interpreter, which runs the job, is in the image where there is one.
_CARRIED = ("working_dir", "py_modules", "pip", "uv", "conda", "py_executable", "image_uri", "container")
# At its end a thread of Serve may call Ray once more, which connects anew by itself while the main thread disconnects:
# each then waits for the other, for ever (seen on 2.60; ray/_private/auto_init_hook.py).
_ENVIRONMENT = {"RAY_ENABLE_AUTO_CONNECT": "0"}


def name_submission(request: str) -> str:
    """The id of the job that a request asks for: the same for the same request, so that Ray takes it once."""
    return f"{KIND}-{hashlib.sha256(request.encode()).hexdigest()[:12]}"


def build_payload(
    submission_id: str,
    *,
    application: str,
    generation: str,
    force: bool,
    limit_s: float,
    runtime_env: dict[str, Any],
    python: str = sys.executable,
) -> dict[str, Any]:
    """Body of ``POST /api/jobs/`` (ray/dashboard/modules/job/common.py, ``JobSubmitRequest``); metadata are strings.

    ``python`` runs the job: the replica's own, since it has this code and these packages. What ``python`` means on the
    PATH of the head depends on who started that head.
    """
    command = [
        python or "python",
        "-m",
        "serve_app.organism.initialization",
        "--application",
        application,
        "--submission-id",
        submission_id,
    ]
    if force:
        command.append("--force")
    return {
        "submission_id": submission_id,
        "entrypoint": shlex.join(command),
        "metadata": {
            "job_name": KIND,
            "seedcore.kind": KIND,
            "seedcore.scheduled_by": MANAGER,
            "seedcore.managed_by": MANAGER,
            "seedcore.limit_s": f"{limit_s:g}",
            "seedcore.generation": generation,
        },
        "runtime_env": {**{key: runtime_env[key] for key in _CARRIED if key in runtime_env}, "env_vars": _ENVIRONMENT},
    }


def parse_submissions(rows: Iterable[dict[str, Any]], generation: str) -> list[Submission]:
    """The submissions of this generation among Ray's job rows (``JobDetails``, times in milliseconds)."""
    return [
        Submission(
            submission_id=str(row["submission_id"]),
            status=str(row.get("status") or "UNKNOWN"),
            message=str(row.get("message") or ""),
            started_at=read_time_ms(row.get("start_time")),
            ended_at=read_time_ms(row.get("end_time")),
        )
        for row in rows
        if row.get("submission_id") and (row.get("metadata") or {}).get("seedcore.generation") == generation
    ]
