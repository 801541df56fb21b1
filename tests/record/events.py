"""``events``: what a node's aggregator POSTs, beside what the tables say of the same jobs.

Learned from it (Ray 2.60): the body is a JSON array, content type ``application/json``, about one POST a second. Each
event has ``eventId``, ``eventType``, ``sourceType``, ``severity``, ``timestamp`` (nine digits of a second, ``Z``),
``sessionName``, ``nodeId``, ``message``, and a body named after its type: DRIVER_JOB_LIFECYCLE_EVENT has
``driverJobLifecycleEvent``. Ids are base64 (standard alphabet, padded) of the binary id, empty for none; 64-bit
numbers are text. The GCS puts all changes of one thing within a second into one event's ``stateTransitions``.

Each event is kept with the milliseconds between its own time and its arrival (``delay_ms``; 150 to 2000 here). Of types
that are not about jobs, nodes, workers or actors (tasks, profiles), two of each are kept.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.record.answers import record_answers
from tests.record.cluster import Cluster
from tests.record.nodes import head, wait

WHOLE = ("DRIVER_JOB_", "SUBMISSION_JOB_", "NODE_", "WORKER_", "ACTOR_DEFINITION", "ACTOR_LIFECYCLE")
OF_OTHERS = 2
Arrived = tuple[float, dict[str, Any]]


def record() -> None:
    """Record the scenario."""
    with _receiver() as (port, arrived):
        env = {
            "RAY_enable_ray_event": "1",
            "RAY_enable_core_worker_ray_event_to_aggregator": "1",
            "RAY_DASHBOARD_AGGREGATOR_AGENT_EVENTS_EXPORT_ADDR": f"http://127.0.0.1:{port}/",
        }
        with head(env) as cluster:
            _run(cluster)
            time.sleep(10)
            kept = [event | {"delay_ms": round(at * 1000 - _time_ms(event))} for at, event in _deduplicated(arrived)]
            record_answers("events", cluster, events=kept)
            print(Counter(event["eventType"] for _, event in arrived))


def _run(cluster: Cluster) -> None:
    """Two submissions, two drivers, one actor."""
    cluster.submit("submission-ok", cluster.python("submission-ok", "1"))
    cluster.submit("submission-no-ray", f"{sys.executable} -c 'raise SystemExit(1)'")
    actor = (
        "kept = ray.remote(num_cpus=0)(type('Kept', (), {'at': lambda self: 1})).remote(); ray.get(kept.at.remote())"
    )
    cluster.driver("driver-ok", actor)
    cluster.driver("driver-kill-9", "os.kill(os.getpid(), 9)")
    for case in ("submission-ok", "submission-no-ray"):
        wait(partial(cluster.has_status, case, "SUCCEEDED", "FAILED"), case)


@contextmanager
def _receiver() -> Iterator[tuple[int, list[Arrived]]]:
    """Answer 200 to every POST and keep the events in it with the time of their arrival."""
    arrived: list[Arrived] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            at = time.time()
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            print(f"POST {self.path} {self.headers['Content-Type']}: {len(body)} events")
            arrived.extend((at, event) for event in body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1], arrived
    finally:
        server.shutdown()
        server.server_close()


def _deduplicated(arrived: list[Arrived]) -> Iterator[Arrived]:
    seen: Counter[str] = Counter()
    for at, event in list(arrived):
        kind = str(event["eventType"])
        seen[kind] += 1
        if kind.startswith(WHOLE) or seen[kind] <= OF_OTHERS:
            yield at, event


def _time_ms(event: dict[str, Any]) -> float:
    """Ray writes nine digits of a second's fraction, of which Python reads six."""
    text = str(event["timestamp"]).rstrip("Z")
    head_of, _, fraction = text.partition(".")
    return datetime.fromisoformat(f"{head_of}.{fraction[:6].ljust(6, '0')}+00:00").timestamp() * 1000
