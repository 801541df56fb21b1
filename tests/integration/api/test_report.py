"""The report on a real cluster: every look of it, and the command line's exit code."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from serve_app.report.__main__ import EXIT_CODES
from serve_app.report.html import CONTENT_SECURITY_POLICY
from tests.integration.cluster import TOKENS, Cluster, wait_for


def test_the_page_shows_the_jobs_of_this_cluster(cluster: Cluster) -> None:
    wait_for("ready", lambda: cluster.get("/ready"))
    with cluster.api() as api:
        answer = api.get("/report?format=html")
        rows = api.get("/report?format=json").json()["jobs"]
    assert answer.status_code == 200
    assert answer.headers.get_list("content-security-policy") == [CONTENT_SECURITY_POLICY]
    assert [row["id"] for row in rows if str(row["id"])[:80] not in answer.text] == []
    # What ended before the picture begins is told beside it.
    assert 0 < answer.text.count('<rect class="bar"') <= len([row for row in rows if row["started_at"]])
    assert "cognitive_organ_1" in answer.text


@pytest.mark.parametrize("form", ["text", "markdown", "json", "html"])
def test_the_command_prints_it(cluster: Cluster, form: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "serve_app.report", "--url", cluster.http_url, "--format", form, "--window", "5m"],
        env={"SEEDCORE_READER_TOKEN": TOKENS["reader"], "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    verdict = next(word for word in ("BAD", "WARN", "UNKNOWN", "OK") if EXIT_CODES[word] == done.returncode)
    assert verdict in done.stdout or (verdict == "WARN" and "UNKNOWN" in done.stdout)
    if form == "json":
        assert EXIT_CODES[json.loads(done.stdout)["verdict"]] == done.returncode
