"""A head that asks for Ray's token: everything that this application asks of Ray has it, and who lacks it is told."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from serve_app.local.ray_head import BIN
from tests.integration.cluster import ROOT, Cluster, running, wait_for

COMMAND_TIMEOUT_S = 120


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """`make up` where there is no token yet; its user's home is a directory of the test."""
    home = Path(tempfile.mkdtemp(prefix="seedcore-token-"))
    with running(home / "state", {"RAY_AUTH_MODE": "token", "HOME": str(home)}) as started:
        yield started
    shutil.rmtree(home, ignore_errors=True)


def read_token(cluster: Cluster) -> str:
    return (Path(cluster.env["HOME"]) / ".ray" / "auth_token").read_text()


def run(cluster: Cluster, *command: str, without: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in cluster.driver_env.items() if name not in without}
    done = subprocess.run(
        command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S, check=False
    )
    print(done.stdout, done.stderr)
    return done


def test_the_dashboard_asks_for_the_token_that_was_made(cluster: Cluster) -> None:
    url = f"{cluster.dashboard_url}/api/version"
    assert httpx.get(url, timeout=10).status_code == 401
    assert httpx.get(url, headers={"Authorization": f"Bearer {read_token(cluster)}"}, timeout=10).status_code == 200
    assert (Path(cluster.env["HOME"]) / ".ray" / "auth_token").stat().st_mode & 0o777 == 0o600


def test_a_second_one_changes_nothing_and_one_without_the_variable_is_told_which(cluster: Cluster) -> None:
    up = (sys.executable, "-m", "serve_app.local.up")
    again = run(cluster, *up)
    assert (again.returncode, "already running, nothing changed" in again.stdout) == (0, True)
    without = run(cluster, *up, without=("RAY_AUTH_MODE",))
    assert without.returncode == 1
    assert "asks for its token, and RAY_AUTH_MODE is not set to token here." in without.stderr
    assert "Set RAY_AUTH_MODE=token; the token is there." in without.stderr


def test_jobs_logs_events_and_the_report(cluster: Cluster) -> None:
    submitted = run(
        cluster, str(BIN / "ray"), "job", "submit", "--no-wait", "--submission-id", "with-token", "--",
        sys.executable, "-c", "print('said with a token')",
    )  # fmt: skip
    assert submitted.returncode == 0
    wait_for("its end", lambda: cluster.get("/jobs/with-token")["outcome"] == "succeeded")
    wait_for("its log", lambda: "said with a token" in str(cluster.get("/jobs/with-token/logs")["lines"]))
    wait_for("an event", lambda: cluster.get("/ray/status")["events"]["last_at"] is not None)
    report = run(cluster, sys.executable, "-m", "serve_app.report", "--url", cluster.http_url)
    assert report.returncode in (0, 1), report.stderr
    wait_for("whole looks", lambda: cluster.get("/ray/status")["degraded"] == [])


def test_metrics(cluster: Cluster) -> None:
    headers = {"Authorization": f"Bearer {read_token(cluster)}"}

    def has_ours() -> bool:
        told = httpx.get(f"{cluster.dashboard_url}/api/prometheus/sd", headers=headers, timeout=10).json()
        targets = [target for group in told for target in group["targets"]]
        # These ports ask for no token.
        return any("ray_seedcore_jobs" in httpx.get(f"http://{each}/metrics", timeout=10).text for each in targets)

    wait_for("our metrics", has_ours)
    nodes = wait_for("measured nodes", lambda: cluster.get("/cluster/nodes")["items"])
    assert wait_for("use", lambda: cluster.get("/cluster/nodes")["items"][0]["utilisation"])
    assert len(nodes) == 1
