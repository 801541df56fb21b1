"""Many jobs in one trouble are one message, on the real cluster; and receivers that refuse, or are not there."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.integration.cluster import Cluster, wait_for
from tests.integration.jobs.test_judging import judged, stopped_after, submit
from tests.integration.organs.test_redeploy import application, config, deploy

IDS = [f"storm-{number}" for number in range(6)]
REASON = "past-deadline: user"
RETRY_AFTER_S = 4


@dataclass
class Receiver:
    """A webhook that notes what it is told, and when; the first request is one too many for it."""

    url: str = ""
    told: list[dict[str, Any]] = field(default_factory=list)
    asked_at: list[float] = field(default_factory=list)

    def of_the_storm(self) -> list[dict[str, Any]]:
        return [body for body in self.told if body["reason"] == REASON]


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            made.asked_at.append(time.monotonic())
            if len(made.asked_at) == 1:
                self.send_response(429)
                self.send_header("Retry-After", str(RETRY_AFTER_S))
            else:
                made.told.append(body)
                self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}/"
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module", autouse=True)
def _leave_it_as_it_was(cluster: Cluster) -> Iterator[None]:
    yield
    assert deploy(cluster, config(cluster)).status_code == 200
    wait_for("the first application", lambda: application(cluster)["status"] == "RUNNING", timeout_s=90)


def configure(cluster: Cluster, receiver: Receiver, *, silent: bool) -> None:
    """Alerts that end quickly, a receiver that listens, and one that is not there."""
    wanted = config(cluster)
    alerts: dict[str, Any] = {
        "period_s": 0.5,
        "holds": [{"rule": "past-deadline", "resolve_hold_s": 1}],
        "webhooks": [{"name": "listens", "url": receiver.url}, {"name": "deaf", "url": "http://127.0.0.1:9/"}],
        "silences": [{"rule": "past-deadline", "reason": "until all are late"}] if silent else [],
    }
    wanted["applications"][0]["deployments"].append({"name": "Alerts", "user_config": alerts})
    assert deploy(cluster, wanted).status_code == 200
    wait_for("the deployment", lambda: application(cluster)["status"] == "RUNNING", timeout_s=60)


def firing(cluster: Cluster) -> list[str]:
    items = cluster.get("/alerts", rule="past-deadline", state="firing", limit=500)["items"]
    return [each["subject_id"] for each in items if each["reason"] == REASON]


def test_many_in_one_trouble_are_one_message_and_one_when_it_is_over(cluster: Cluster, receiver: Receiver) -> None:
    configure(cluster, receiver, silent=True)
    with stopped_after(cluster, *IDS):
        for id in IDS:
            submit(cluster, id, "sleep 600", metadata={"seedcore.deadline_s": "1"})
        wait_for("all to be late", lambda: set(IDS) <= set(firing(cluster)))
        assert receiver.of_the_storm() == []
        configure(cluster, receiver, silent=False)
        (fired,) = wait_for("the message", receiver.of_the_storm)
        assert (fired["event"], fired["count"]) == ("fired", len(firing(cluster)))
        assert {f"job {id}" for id in IDS} <= set(fired["subjects"])
        # Where alerts tell one number, the report tells the same, in one line.
        lines = [
            each for each in cluster.get("/report")["findings"] if each["subject"].endswith("jobs (past-deadline)")
        ]
        assert [each["count"] for each in lines] == [fired["count"]]
        # The receiver that had asked for time was given it.
        assert receiver.asked_at[1] - receiver.asked_at[0] >= RETRY_AFTER_S - 0.1
    wait_for("the end", lambda: all(judged(cluster, id)[0] == "stopped" for id in IDS))
    fired, over = wait_for("its message", lambda: len(told := receiver.of_the_storm()) == 2 and told)
    assert (over["event"], over["count"], over["id"].removesuffix("-resolved")) == (
        "resolved", fired["count"], fired["id"].removesuffix("-fired"),
    )  # fmt: skip


def test_a_receiver_that_is_not_there_stands_by_itself(cluster: Cluster) -> None:
    page = wait_for("its trouble", lambda: (told := cluster.get("/alerts"))["receivers"] and told)
    (deaf,) = page["receivers"]
    assert (deaf["name"], deaf["sentence"]) == ("deaf", "deaf cannot be reached (ClientConnectorError).")
    assert deaf["action"].startswith("See that deaf runs, that its url ")
    assert not [reason for reason in page["degraded"] if "deaf" in reason]
    ready = cluster.get("/ready")
    assert ready["checks"]["receiver deaf"] == "failing"
    assert [reason for reason in ready["reasons"] if reason.startswith("receiver deaf: ")]
    report = cluster.get("/report")
    assert [each["name"] for each in report["receivers"]] == ["deaf"]
    assert [each["verdict"] for each in report["findings"] if each["subject"] == "receiver of alerts deaf"] == ["WARN"]
    # It is tried less and less, not with each message that waits.
    assert deaf["failures"] <= 6
