"""What may be submitted, and how it looks to Ray. Pure: the configuration and the body in, Ray's body or a refusal out;
where symbolic links lead is handed in.

A job runs with the rights of the cluster, so what is not allowed by name is refused with the key that would allow it.
"""

from __future__ import annotations

import hashlib
import json
import math
import posixpath
import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from serve_app.errors import Forbidden, InvalidInput
from serve_app.jobs.actions.bodies import SubmitBody
from serve_app.jobs.actions.settings import JobManagement
from serve_app.jobs.judging.contradiction import MAY_LEAVE_TASKS_KEY
from serve_app.jobs.judging.kinds import (
    APPLICATION_SERVER,
    CLUSTER_INITIALIZATION,
    COA_INITIALIZATION,
    INTERNAL,
    OBSERVER,
)
from serve_app.jobs.judging.successors import RETRY_OF_KEY

Json = dict[str, Any]

SCHEDULED_BY = "SeedCore API"
HASH_KEY = "seedcore.request_hash"
RESOURCES_KEY = "seedcore.resources"
SCHEDULED_BY_KEY = "seedcore.scheduled_by"
OURS = "seedcore."
# Ours that a caller may set; all others say what this application did, and so only it may say them.
SETTABLE = (
    "seedcore.kind",
    "seedcore.owner",
    "seedcore.note",
    "seedcore.expected_duration_s",
    "seedcore.deadline_s",
    MAY_LEAVE_TASKS_KEY,
    RETRY_OF_KEY,
)
# With it a job would pass for the driver of another submission (ray/dashboard/modules/job/utils.py, get_driver_jobs).
_RAYS_OWN = "job_submission_id"
_NUMBERS = ("seedcore.expected_duration_s", "seedcore.deadline_s")
_OUR_KINDS = {APPLICATION_SERVER, CLUSTER_INITIALIZATION, COA_INITIALIZATION, INTERNAL, OBSERVER}
_KIND = re.compile(r"[a-z][a-z0-9-]{0,62}")
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,127}")
_MOST_ENTRYPOINT_CHARS = 16_384
_MOST_VARIABLES = 100
_MOST_VALUE_CHARS = 8_192
_MOST_RUNTIME_ENV_CHARS = 131_072
_RESOURCES = {
    "num_cpus": "entrypoint_num_cpus",
    "num_gpus": "entrypoint_num_gpus",
    "memory_bytes": "entrypoint_memory",
    "resources": "entrypoint_resources",
}


def require_on(rules: JobManagement) -> None:
    """Raise ``Forbidden`` while job management is off."""
    if not rules.enabled:
        raise Forbidden(
            "Job management is off; set args.job_management.enabled to true in serve_config.yaml and deploy it again.",
            code="job_management_off",
        )


def build_payload(
    body: SubmitBody, rules: JobManagement, submission_id: str, resolve: Callable[[str], str] = posixpath.normpath
) -> Json:
    """Body of ``POST /api/jobs/`` (``JobSubmitRequest`` of ray/dashboard/modules/job/common.py).

    ``resolve`` tells where a path really is; without it no link leads elsewhere. Raises ``InvalidInput`` for what is
    wrong in itself and ``Forbidden`` for what the configuration does not allow.
    """
    entrypoint = shlex.join(body.entrypoint)
    if not body.entrypoint[0].strip() or len(entrypoint) > _MOST_ENTRYPOINT_CHARS:
        _raise_invalid("entrypoint", f"a command is needed, of at most {_MOST_ENTRYPOINT_CHARS} characters in all")
    runtime_env = _build_runtime_env(body, rules, resolve)
    resources = list_resources(body.model_dump(include=set(_RESOURCES)))
    _check_metadata(body.metadata)
    metadata = {**body.metadata, SCHEDULED_BY_KEY: SCHEDULED_BY, HASH_KEY: compute_hash(body)}
    if resources:
        # Ray does not give these back (JobDetails has no such fields), and a retry needs them.
        metadata[RESOURCES_KEY] = json.dumps(resources, sort_keys=True)
    return {
        "submission_id": submission_id,
        "entrypoint": entrypoint,
        "metadata": metadata,
        "runtime_env": runtime_env,
        **convert_for_ray(resources),
    }


def has_working_dir(body: SubmitBody) -> bool:
    """Whether a place is named, which has to be looked at."""
    return body.working_dir is not None or "working_dir" in body.runtime_env


def compute_hash(body: SubmitBody) -> str:
    """The same for the same wish, whatever the order of its keys; the id is no part of it."""
    wish = body.model_dump(mode="json", exclude={"submission_id"}, exclude_defaults=True)
    return hashlib.sha256(json.dumps(wish, sort_keys=True).encode()).hexdigest()[:32]


def list_resources(wish: Mapping[str, Any]) -> Json:
    """Resources that are asked for at all."""
    return {name: wish[name] for name in _RESOURCES if wish.get(name)}


def convert_for_ray(resources: Mapping[str, Any]) -> Json:
    """Resources under Ray's names."""
    return {_RESOURCES[name]: amount for name, amount in resources.items()}


def _build_runtime_env(body: SubmitBody, rules: JobManagement, resolve: Callable[[str], str]) -> Json:
    runtime_env: Json = dict(body.runtime_env)
    if body.working_dir is not None:
        if "working_dir" in runtime_env:
            _raise_invalid("working_dir", "it is given twice")
        runtime_env["working_dir"] = body.working_dir
    for key in runtime_env:
        if key not in rules.allowed_runtime_env:
            raise Forbidden(
                f"runtime_env.{key[:64]} is not allowed; add it to args.job_management.allowed_runtime_env in "
                "serve_config.yaml.",
                code="runtime_env_not_allowed",
            )
    if len(json.dumps(runtime_env)) > _MOST_RUNTIME_ENV_CHARS:
        _raise_invalid("runtime_env", f"it is longer than {_MOST_RUNTIME_ENV_CHARS} characters")
    if "env_vars" in runtime_env:
        _check_variables(runtime_env["env_vars"])
    if "working_dir" in runtime_env:
        _check_working_dir(runtime_env["working_dir"], rules, resolve)
    return runtime_env


def _check_variables(variables: Any) -> None:
    if not isinstance(variables, dict) or len(variables) > _MOST_VARIABLES:
        _raise_invalid("runtime_env.env_vars", f"an object of at most {_MOST_VARIABLES} variables is expected")
    for name, value in variables.items():
        if not _VARIABLE.fullmatch(name):
            _raise_invalid("runtime_env.env_vars", "a name is not of the form [A-Z_][A-Z0-9_]*")
        if not isinstance(value, str) or len(value) > _MOST_VALUE_CHARS:
            _raise_invalid(
                f"runtime_env.env_vars.{name}", f"a text of at most {_MOST_VALUE_CHARS} characters is expected"
            )


def _check_working_dir(wanted: Any, rules: JobManagement, resolve: Callable[[str], str]) -> None:
    if not isinstance(wanted, str) or not wanted or len(wanted) > 2_000:
        _raise_invalid("working_dir", "a path or URI of at most 2000 characters is expected")
    path = wanted.partition("://")[2] or wanted
    # What is compared must be what is opened: no way up, and nothing that another program would decode into one.
    if ".." in path.split("/") or "%" in wanted or "\\" in wanted or (path == wanted and not path.startswith("/")):
        _raise_invalid("working_dir", "an absolute path or a URI is expected, without `..`, `%` or backslashes")
    plain = posixpath.normpath(wanted) if path == wanted else wanted
    if not any(_is_below(plain, allowed) for allowed in rules.allowed_working_dirs):
        raise Forbidden(
            "This working_dir is not allowed; add it, a directory above it, or its scheme (as s3://) to "
            "args.job_management.allowed_working_dirs in serve_config.yaml.",
            code="working_dir_not_allowed",
        )
    if path == wanted:
        place = resolve(plain)
        if not any(_is_below(place, resolve(allowed)) for allowed in rules.allowed_working_dirs if allowed[:1] == "/"):
            raise Forbidden(
                "This working_dir leads out of the allowed directories by a symbolic link.",
                code="working_dir_not_allowed",
            )


def _is_below(place: str, allowed: str) -> bool:
    return place == allowed or place.startswith(allowed if allowed.endswith("/") else f"{allowed}/")


def _check_metadata(metadata: Mapping[str, str]) -> None:
    for name, value in metadata.items():
        if name == _RAYS_OWN:
            _raise_invalid("metadata", f"{_RAYS_OWN} is Ray's own")
        if name.casefold().startswith(OURS) and name not in SETTABLE:
            _raise_invalid("metadata", f"of the keys that begin with {OURS} only {', '.join(SETTABLE)} can be set")
        if name in _NUMBERS and not _is_duration(value):
            _raise_invalid(f"metadata.{name}", "a positive number of seconds is expected")
    if metadata.get(MAY_LEAVE_TASKS_KEY, "true") not in ("true", "false"):
        _raise_invalid(f"metadata.{MAY_LEAVE_TASKS_KEY}", "true or false is expected")
    kind = metadata.get("seedcore.kind")
    if kind is not None and (not _KIND.fullmatch(kind) or kind in _OUR_KINDS):
        _raise_invalid(
            "metadata.seedcore.kind", "a word of small letters, digits and hyphens is expected, not one of our own"
        )


def _is_duration(text: str) -> bool:
    try:
        seconds = float(text)
    except ValueError:
        return False
    return math.isfinite(seconds) and seconds > 0


def _raise_invalid(where: str, what: str) -> NoReturn:
    raise InvalidInput(f"{where}: {what}.", errors=[{"loc": where.split("."), "msg": what, "type": "value_error"}])
