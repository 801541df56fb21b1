"""An organ that falls silent, as an alert, from the probe to the webhook and the history."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import psutil
import pytest

from tests.integration.cluster import Cluster, wait_for
from tests.integration.organs.test_redeploy import application, config, deploy

ORGAN = "actuator_organ_1"
TOLD: list[tuple[str | None, Any]] = []


class Receiver(BaseHTTPRequestHandler):
    """It notes what it is told."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        TOLD.append((self.headers.get("Authorization"), body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def hook() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module", autouse=True)
def _leave_it_as_it_was(cluster: Cluster) -> Iterator[None]:
    yield
    assert deploy(cluster, config(cluster)).status_code == 200
    wait_for("the first application", lambda: application(cluster)["status"] == "RUNNING", timeout_s=90)


def active(cluster: Cluster) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = cluster.get("/alerts", rule="organ-not-responding")["items"]
    return [row for row in rows if row["subject"] == ORGAN]


def test_a_silent_organ_is_told_of_and_so_is_its_end(cluster: Cluster, hook: str) -> None:
    wait_for("a first look", lambda: cluster.get("/alerts")["as_of"])
    wanted = config(cluster)
    wanted["applications"][0]["deployments"].append(
        {
            "name": "Alerts",
            "user_config": {
                "period_s": 0.5,
                "holds": [{"rule": "organ-not-responding", "hold_s": 1, "resolve_hold_s": 1}],
                # Any variable of the replica will do for a token.
                "webhooks": [{"name": "test", "url": hook, "token_env": "SEEDCORE_READER_TOKEN"}],
            },
        }
    )
    # Serve shall not replace what is silent before it was told of.
    organ = next(each for each in wanted["applications"][0]["deployments"] if each["name"] == ORGAN)
    organ["health_check_timeout_s"] = 30
    assert deploy(cluster, wanted).status_code == 200
    wait_for("the deployment", lambda: application(cluster)["status"] == "RUNNING", timeout_s=60)

    process = psutil.Process(cluster.organ(ORGAN)["agents"][0]["pid"])
    process.suspend()
    try:
        alert = wait_for("the alert", lambda: [row for row in active(cluster) if row["state"] == "firing"])[0]
    finally:
        process.resume()
    assert (alert["severity"], alert["silenced"], alert["resolved_at"]) == ("critical", False, None)

    def over() -> Any:
        page = cluster.get("/alerts/history", rule="organ-not-responding", state="resolved")
        return [row for row in page["items"] if row["id"] == alert["id"]]

    resolved = wait_for("its end", over)[0]
    assert resolved["resolved_at"] > resolved["firing_since"]

    def told() -> Any:
        events = [(token, body["event"]) for token, body in TOLD if body["alert"]["id"] == alert["id"]]
        token = f"Bearer {cluster.env['SEEDCORE_READER_TOKEN']}"
        return events == [(token, "fired"), (token, "resolved")]

    wait_for("both notifications", told)


def test_a_filter_that_does_not_exist(cluster: Cluster) -> None:
    with cluster.api() as api:
        answer = api.get("/alerts", params={"kind": "user"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


def test_without_a_token_nobody_reads_alerts(cluster: Cluster) -> None:
    assert httpx.get(f"{cluster.http_url}/alerts").status_code == 401
