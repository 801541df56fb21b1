"""Every setting, once: what exists (``AppArgs``), how each deployment behaves, and what comes from the environment.

Secrets come from the environment or from a file, never from ``serve_config.yaml``: Serve logs application arguments.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from organs.models import OrganSpec
from serve_app.jobs.diagnosis.catalogue.team import MOST_SIGNATURES, SignatureSpec, require_different
from serve_app.jobs.judging.expectations import EXPECTATIONS, ineffective
from serve_app.jobs.judging.kind_specs import KindSpec


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class JobManagement(_Strict):
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


class AppArgs(_Strict):
    """``args`` of the application in ``serve_config.yaml``: what exists."""

    organs: tuple[OrganSpec, ...] = Field(min_length=1, max_length=50, description="The organs that shall exist.")
    allowed_hosts: tuple[str, ...] = Field(
        default=(),
        max_length=50,
        description="Host names under which the API may be called, besides localhost and IP addresses.",
    )
    max_body_bytes: int = Field(default=1_048_576, ge=1024, le=16_777_216, description="Longest request body read.")
    job_management: JobManagement = Field(
        default=JobManagement(), description="Submitting, stopping, retrying and deleting jobs; see below."
    )

    code_version: str | None = Field(
        default=None,
        pattern=r"^[0-9A-Za-z.+-]{1,64}$",
        description="Version of the code that shall run; `make up` fills it in, and another code is then refused.",
    )

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Self:
        seen: set[str] = set()
        for organ in self.organs:
            if organ.id in seen:
                raise ValueError(f"organ id {organ.id!r} is given twice; ids name deployments and must be unique")
            seen.add(organ.id)
        return self


class IngressConfig(_Strict):
    """``user_config`` of the ``Ingress`` deployment."""

    task_timeout_s: float = Field(default=30.0, gt=0, le=300, description="Deadline of a task that names none.")
    call_timeout_s: float = Field(default=5.0, gt=0, le=60, description="Deadline of every other call in the graph.")


class ManagerConfig(_Strict):
    """``user_config`` of the ``OrganismManager`` deployment."""

    initialize_on_start: bool = Field(default=True, description="Submit the initialization job when it is due.")
    reconcile_period_s: float = Field(
        default=5.0, ge=0.5, le=300, description="How often wanted and actual are compared."
    )
    probe_timeout_s: float = Field(default=2.0, gt=0, le=30, description="Deadline of one probe of one organ.")
    initialization_timeout_s: float = Field(
        default=120.0, ge=5, le=3600, description="After this the initialization job gives up with its reason."
    )
    initialization_attempts: int = Field(
        default=3, ge=1, le=20, description="Failed initialization jobs in a row before the manager waits for a person."
    )


class InspectorConfig(_Strict):
    """``user_config`` of the ``JobInspector`` deployment."""

    poll_period_s: float = Field(default=5.0, ge=0.5, le=300, description="How often Ray is asked when all is at rest.")
    busy_poll_period_s: float = Field(
        default=1.0, ge=0.2, le=60, description="How often while jobs come and go; twice as long while they only run."
    )
    fresh_for_s: float = Field(default=2.0, ge=0.1, le=60, description="A snapshot this young is served as it is.")
    source_timeout_s: float = Field(default=4.0, gt=0, le=60, description="Deadline of one question to Ray.")
    retained_jobs: int = Field(default=10_000, ge=100, le=100_000, description="Most job rows kept in memory.")
    list_actors_up_to: int = Field(
        default=1_000,
        ge=0,
        le=10_000,
        description="More actors than this are listed once a minute only, while Ray pushes events.",
    )
    log_followers: int = Field(default=8, ge=0, le=32, description="Most log followers at once.")
    follow_limit_s: float = Field(
        default=300.0,
        ge=1,
        le=3600,
        description="Longest following of a log; Serve's `request_timeout_s` must be longer.",
    )
    kinds: tuple[KindSpec, ...] = Field(
        default=(), max_length=100, description="Kinds of your own, and what is expected of them (see below)."
    )
    signatures: tuple[SignatureSpec, ...] = Field(
        default=(), max_length=MOST_SIGNATURES, description="Signatures of your own for diagnoses (see above)."
    )
    kept_days: float = Field(default=90.0, gt=0, le=3_660, description="Ended jobs older than this are forgotten.")
    kept_jobs: int = Field(default=100_000, ge=100, le=10_000_000, description="Most jobs kept in the history.")

    @model_validator(mode="after")
    def _signatures_are_different(self) -> Self:
        require_different(self.signatures)
        return self

    @model_validator(mode="after")
    def _kinds_are_known(self) -> Self:
        names: set[str] = set()
        for kind in self.kinds:
            if kind.name in names:
                raise ValueError(f"kind {kind.name!r} is given twice")
            if (kind.match is None) != (kind.name in EXPECTATIONS):
                why = "is built in, so it takes no match" if kind.match else "is not built in, so it needs a match"
                raise ValueError(f"kind {kind.name!r} {why}")
            if without_effect := ineffective(kind):
                what = ", ".join(without_effect)
                why = "is built in" if kind.name in EXPECTATIONS else "is a service, which shall not end"
                raise ValueError(f"kind {kind.name!r} {why}; {what} would have no effect on it")
            names.add(kind.name)
        return self


class Env(_Strict):
    """Settings from the environment: addresses, places and secrets."""

    database_url: str | None = Field(
        default=None, description="SQLAlchemy URL of the store; none means SQLite in the home."
    )
    home: Path = Field(description="Directory of all state on disk.")
    dashboard_url: str | None = Field(default=None, description="Ray dashboard, when it is not where Ray says.")
    reader_token: str | None = Field(default=None, repr=False, description="Bearer token of the reader role.")
    executor_token: str | None = Field(default=None, repr=False, description="Bearer token of the executor role.")
    operator_token: str | None = Field(default=None, repr=False, description="Bearer token of the operator role.")
    tokens_file: Path | None = Field(default=None, description="YAML file with a list of tokens for each role.")
    events_key: str | None = Field(
        default=None,
        repr=False,
        min_length=16,
        pattern=r"^[A-Za-z0-9_-]+$",
        description="Secret part of the address to which Ray pushes events (`POST /events/{key}`).",
    )
    llm_base_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s@]+$",
        description="OpenAI-compatible API (with `/v1`) that may put a diagnosis into words; without it ours are used.",
    )
    llm_model: str | None = Field(default=None, max_length=200, description="The model asked there (`default`).")
    llm_api_key: str | None = Field(default=None, repr=False, description="Bearer token for it.")
    otlp_endpoint: str | None = Field(default=None, description="OTLP/HTTP collector; without it no span is exported.")

    @classmethod
    def read(cls, environ: Mapping[str, str] = os.environ) -> Env:
        """Read ``SEEDCORE_*`` variables; an empty one counts as unset."""
        values = {name: environ.get(variable_of(name)) or None for name in cls.model_fields}
        values["home"] = values["home"] or _default_home(environ)
        return cls.model_validate(values)


def variable_of(field: str) -> str:
    """Name of the environment variable of a field of ``Env``."""
    return f"SEEDCORE_{field.upper()}"


def _default_home(environ: Mapping[str, str]) -> str:
    state = environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return str(Path(state) / "seedcore")
