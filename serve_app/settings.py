"""What exists (``AppArgs``, the ``args`` of ``serve_config.yaml``), and how the ingress behaves.

The ``user_config`` of every other deployment stands beside it; what comes from the environment, in ``env``.
"""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from organs.models import MAX_TIMEOUT_S, MIN_TIMEOUT_S, OrganSpec
from serve_app.jobs.actions.settings import JobManagement
from serve_app.strict import StrictModel

MAX_BODY_BYTES = 16_777_216


class DeployedHttp(StrictModel):
    """What of ``http_options`` a file said with which this application was deployed; what it left out is none."""

    host: str | None = Field(default=None, max_length=255)
    port: int | None = Field(default=None, ge=0, le=65_535)
    request_timeout_s: float | None = Field(default=None, ge=0)


class AppArgs(StrictModel):
    """``args`` of the application in ``serve_config.yaml``: what exists."""

    organs: tuple[OrganSpec, ...] = Field(min_length=1, max_length=50, description="The organs that shall exist.")
    allowed_hosts: tuple[str, ...] = Field(
        default=(),
        max_length=50,
        description="Host names under which the API may be called, besides localhost and IP addresses.",
    )
    max_body_bytes: int = Field(
        default=1_048_576, ge=1024, le=MAX_BODY_BYTES, description="Longest request body read."
    )
    job_management: JobManagement = Field(
        default=JobManagement(), description="Submitting, stopping, retrying and deleting jobs; see below."
    )

    code_version: str | None = Field(
        default=None,
        pattern=r"^[0-9A-Za-z.+-]{1,64}$",
        description="Version of the code that shall run; `make up` fills it in, and another code is then refused.",
    )
    deployed_http: DeployedHttp | None = Field(
        default=None,
        description="`http_options` of the deployed file; filled in like `code_version`; others in force are told.",
    )

    @model_validator(mode="after")
    def _require_unique_ids(self) -> Self:
        seen: set[str] = set()
        for organ in self.organs:
            if organ.id in seen:
                raise ValueError(f"organ id {organ.id!r} is given twice; ids name deployments and must be unique")
            seen.add(organ.id)
        return self


class IngressConfig(StrictModel):
    """``user_config`` of the ``Ingress`` deployment."""

    task_timeout_s: float = Field(
        default=30.0, ge=MIN_TIMEOUT_S, le=MAX_TIMEOUT_S, description="Deadline of a task that names none."
    )
    call_timeout_s: float = Field(default=5.0, gt=0, le=60, description="Deadline of every other call in the graph.")
    streams_per_token: int = Field(default=6, ge=1, le=32, description="Most followed logs of one token at once.")
    body_bytes_per_token: int = Field(
        default=MAX_BODY_BYTES,
        ge=MAX_BODY_BYTES,
        le=1_073_741_824,
        description="Most bytes of request bodies of one token in memory at once.",
    )
    requests_per_s: float | None = Field(
        default=None, ge=0.01, le=10_000, description="Requests that a token gets back each second; none: no limit."
    )
    request_burst: int = Field(
        default=100, ge=1, le=100_000, description="Requests of a token at once, where `requests_per_s` is set."
    )
