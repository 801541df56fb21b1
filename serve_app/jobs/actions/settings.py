"""``args.job_management``: how far jobs may be submitted, stopped, retried and deleted."""

from __future__ import annotations

from pydantic import Field

from serve_app.strict import StrictModel


class JobManagement(StrictModel):
    """``args.job_management``: whether, and how far, jobs may be submitted, stopped, retried and deleted."""

    enabled: bool = Field(default=False, description="Whether operators may submit, stop, retry and delete jobs.")
    allowed_runtime_env: tuple[str, ...] = Field(
        default=("env_vars", "working_dir"), max_length=20, description="Keys of `runtime_env` that a job may have."
    )
    allowed_working_dirs: tuple[str, ...] = Field(
        default=(), max_length=50, description="Directories and URIs (as `s3://bucket/jobs`) that a job may use."
    )
    max_attempts: int = Field(
        default=5, ge=1, le=100, description="Retries of one job until a person must force another."
    )
