"""The initialization job as Ray's Jobs API sees it."""

from __future__ import annotations

import shlex
import sys
from datetime import UTC, datetime

import pytest

from serve_app.organism.reconcile import Submission
from serve_app.organism.submission import build_payload, parse_submissions


def test_payload_names_kind_and_owner_and_carries_no_environment() -> None:
    payload = build_payload(
        "coa-initialization-1",
        application="seedcore",
        generation="abc",
        force=True,
        limit_s=120.0,
        runtime_env={"working_dir": "gcs://pkg.zip", "env_vars": {"SECRET": "x"}},
        python="/opt/our env/bin/python3",
    )
    assert payload == {
        "submission_id": "coa-initialization-1",
        "entrypoint": "'/opt/our env/bin/python3' -m serve_app.organism.initialization --application seedcore "
        "--submission-id coa-initialization-1 --force",
        "metadata": {
            "job_name": "coa-initialization",
            "seedcore.kind": "coa-initialization",
            "seedcore.scheduled_by": "OrganismManager",
            "seedcore.managed_by": "OrganismManager",
            "seedcore.limit_s": "120",
            "seedcore.generation": "abc",
        },
        "runtime_env": {"working_dir": "gcs://pkg.zip", "env_vars": {"RAY_ENABLE_AUTO_CONNECT": "0"}},
    }
    # A duration there would win over what a team declares of the kind (`jobs.expectations.limit_of`).
    assert "seedcore.expected_duration_s" not in payload["metadata"]


@pytest.mark.parametrize(("given", "expected"), [({}, sys.executable), ({"python": ""}, "python")])
def test_the_job_runs_with_the_interpreter_of_the_replica(given: dict[str, str], expected: str) -> None:
    payload = build_payload(
        "i", application="seedcore", generation="abc", force=False, limit_s=1.0, runtime_env={}, **given
    )
    assert shlex.split(payload["entrypoint"])[:3] == [expected, "-m", "serve_app.organism.initialization"]


def test_where_the_interpreter_is_in_an_image_the_job_runs_in_it() -> None:
    given = {"image_uri": "registry/seedcore:1", "env_vars": {"SECRET": "x"}, "eager_install": True}
    payload = build_payload("i", application="a", generation="g", force=False, limit_s=1.0, runtime_env=given)
    assert payload["runtime_env"] == {
        "image_uri": "registry/seedcore:1",
        "env_vars": {"RAY_ENABLE_AUTO_CONNECT": "0"},
    }


def test_submissions_of_keeps_this_generation_only_and_survives_odd_rows() -> None:
    rows = [
        {
            "submission_id": "a",
            "status": "FAILED",
            "message": "m",
            "start_time": 1_000,
            "end_time": 2_000,
            "metadata": {"seedcore.generation": "abc"},
        },
        {
            "submission_id": "b",
            "status": None,
            "message": None,
            "start_time": None,
            "end_time": 0,
            "metadata": {"seedcore.generation": "abc"},
        },
        {"submission_id": "c", "status": "RUNNING", "metadata": {"seedcore.generation": "other"}},
        {"submission_id": None, "job_id": "01000000", "status": "RUNNING", "metadata": {}},
        {"submission_id": "d", "status": "RUNNING", "metadata": None},
    ]
    assert parse_submissions(rows, "abc") == [
        Submission(
            "a", "FAILED", "m", datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), datetime(1970, 1, 1, 0, 0, 2, tzinfo=UTC)
        ),
        Submission("b", "UNKNOWN", "", None, None),
    ]
