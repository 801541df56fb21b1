"""What may be submitted: every refusal with its code, and what Ray is told."""

from __future__ import annotations

from typing import Any

import pytest

from serve_app.errors import AppError, Forbidden
from serve_app.jobs.actions.bodies import SubmitBody, read
from serve_app.jobs.actions.rules import build_payload, compute_hash, require_on
from serve_app.jobs.actions.settings import JobManagement

RULES = JobManagement(
    enabled=True, allowed_runtime_env=("env_vars", "working_dir"), allowed_working_dirs=("/srv/jobs", "s3://")
)


def wanted(**changes: Any) -> SubmitBody:
    return read(SubmitBody, {"entrypoint": ["python", "-c", "print('a b'); #"], **changes})


def test_what_ray_is_told() -> None:
    body = wanted(
        working_dir="/srv/jobs/x.zip", num_cpus=0.5, memory_bytes=1024, resources={"disk": 1},
        runtime_env={"env_vars": {"A_1": "x"}}, metadata={"seedcore.kind": "report", "team": "a"},
    )  # fmt: skip
    assert build_payload(body, RULES, "j") == {
        "submission_id": "j",
        "entrypoint": """python -c 'print('"'"'a b'"'"'); #'""",
        "metadata": {
            "seedcore.kind": "report",
            "team": "a",
            "seedcore.scheduled_by": "SeedCore API",
            "seedcore.request_hash": compute_hash(body),
            "seedcore.resources": '{"memory_bytes": 1024, "num_cpus": 0.5, "resources": {"disk": 1.0}}',
        },
        "runtime_env": {"env_vars": {"A_1": "x"}, "working_dir": "/srv/jobs/x.zip"},
        "entrypoint_num_cpus": 0.5,
        "entrypoint_memory": 1024,
        "entrypoint_resources": {"disk": 1.0},
    }


def test_what_a_caller_may_say_of_a_job() -> None:
    told = {"seedcore.may_leave_tasks": "true", "seedcore.retry_of": "e-1-1", "seedcore.owner": "me"}
    made = build_payload(wanted(metadata=told), RULES, "j")["metadata"]
    assert {name: made[name] for name in told} == told


def test_the_hash_is_of_the_wish() -> None:
    one = wanted(metadata={"a": "1", "b": "2"}, submission_id="x")
    assert compute_hash(one) == compute_hash(wanted(metadata={"b": "2", "a": "1"}, submission_id="y", num_gpus=None))
    assert compute_hash(one) != compute_hash(wanted(metadata={"a": "1", "b": "3"}))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"entrypoint": "python x"}, "invalid_input"),
        ({"entrypoint": []}, "invalid_input"),
        ({"entrypoint": [" "]}, "invalid_input"),
        ({"entrypoint": [1]}, "invalid_input"),
        ({"entrypoint": ["x" * 4097]}, "invalid_input"),
        ({"entrypoint": ["x" * 4000] * 5}, "invalid_input"),
        ({"entrypoint": ["x"] * 257}, "invalid_input"),
        ({"surprise": 1}, "invalid_input"),
        ({"submission_id": "0123abcd"}, "invalid_input"),
        ({"submission_id": "../x"}, "invalid_input"),
        ({"submission_id": "x\n"}, "invalid_input"),
        ({"submission_id": ""}, "invalid_input"),
        ({"num_cpus": -1}, "invalid_input"),
        ({"num_cpus": "1"}, "invalid_input"),
        ({"num_cpus": float("nan")}, "invalid_input"),
        ({"memory_bytes": 1.5}, "invalid_input"),
        ({"resources": {"": 1}}, "invalid_input"),
        ({"metadata": {"a": 1}}, "invalid_input"),
        ({"metadata": {"a": "x" * 2001}}, "invalid_input"),
        ({"metadata": {str(n): "" for n in range(51)}}, "invalid_input"),
        ({"metadata": {"seedcore.managed_by": "x"}}, "invalid_input"),
        ({"metadata": {"SeedCore.request_hash": "x"}}, "invalid_input"),
        ({"metadata": {"job_submission_id": "other"}}, "invalid_input"),
        ({"metadata": {"seedcore.kind": "coa-initialization"}}, "invalid_input"),
        ({"metadata": {"seedcore.kind": "Has Capitals"}}, "invalid_input"),
        ({"metadata": {"seedcore.deadline_s": "-1"}}, "invalid_input"),
        ({"metadata": {"seedcore.may_leave_tasks": "yes"}}, "invalid_input"),
        ({"metadata": {"seedcore.attempt": "2"}}, "invalid_input"),
        ({"metadata": {"seedcore.expected_duration_s": "inf"}}, "invalid_input"),
        ({"runtime_env": {"env_vars": {"lower": "x"}}}, "invalid_input"),
        ({"runtime_env": {"env_vars": {"A": 1}}}, "invalid_input"),
        ({"runtime_env": {"env_vars": {"A": "x" * 8193}}}, "invalid_input"),
        ({"runtime_env": {"env_vars": {f"A{n}": "" for n in range(101)}}}, "invalid_input"),
        ({"runtime_env": {"env_vars": []}}, "invalid_input"),
        ({"runtime_env": {"pip": ["x"]}}, "runtime_env_not_allowed"),
        ({"runtime_env": {"py_executable": "sh"}}, "runtime_env_not_allowed"),
        ({"runtime_env": {"container": {}}}, "runtime_env_not_allowed"),
        ({"working_dir": "/etc"}, "working_dir_not_allowed"),
        ({"working_dir": "/srv/jobs-of-others"}, "working_dir_not_allowed"),
        ({"working_dir": "/srv/jobs/../../etc"}, "invalid_input"),
        ({"working_dir": "/srv/jobs/%2e%2e"}, "invalid_input"),
        ({"working_dir": "jobs"}, "invalid_input"),
        ({"working_dir": "https://evil/x.zip"}, "working_dir_not_allowed"),
        ({"runtime_env": {"working_dir": 1}}, "invalid_input"),
        ({"working_dir": "/srv/jobs", "runtime_env": {"working_dir": "/srv/jobs"}}, "invalid_input"),
    ],
)
def test_refusals(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(AppError) as refused:
        build_payload(wanted(**changes), RULES, "j")
    assert refused.value.code == code


@pytest.mark.parametrize("place", ["/srv/jobs", "/srv/jobs//a/b.zip", "s3://any/x.zip"])
def test_allowed_places(place: str) -> None:
    assert build_payload(wanted(working_dir=place), RULES, "j")["runtime_env"] == {"working_dir": place}


def test_a_place_needs_the_configuration() -> None:
    with pytest.raises(Forbidden, match=r"args\.job_management\.allowed_working_dirs"):
        build_payload(wanted(working_dir="/srv/jobs"), JobManagement(enabled=True), "j")
    with pytest.raises(Forbidden, match=r"args\.job_management\.enabled"):
        require_on(JobManagement())


def test_nothing_of_a_body_is_quoted() -> None:
    with pytest.raises(AppError) as refused:
        wanted(runtime_env={"env_vars": {"A": "canary"}}, metadata={"a": ["canary"]})
    assert "canary" not in f"{refused.value.detail} {refused.value.members}"


@pytest.mark.parametrize(
    ("place", "allowed"),
    [("/srv/jobs/of-us", True), ("/srv/jobs/out", False), ("/srv/jobs/out/deeper", False), ("s3://any/out", True)],
)
def test_a_link_leads_nowhere_else(place: str, allowed: bool) -> None:
    # The allowed directory may itself be a link.
    def resolve(path: str) -> str:
        return path.replace("/srv/jobs/out", "/etc").replace("/srv/jobs", "/data/jobs")

    if allowed:
        assert build_payload(wanted(working_dir=place), RULES, "j", resolve)["runtime_env"] == {"working_dir": place}
        return
    with pytest.raises(Forbidden, match="symbolic link") as refused:
        build_payload(wanted(working_dir=place), RULES, "j", resolve)
    assert refused.value.code == "working_dir_not_allowed"
