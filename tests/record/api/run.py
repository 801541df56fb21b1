"""The run: the product, jobs of every kind, and every question that it answers."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil

from tests.integration.cluster import TOKENS, Cluster, running, wait_for
from tests.record.api import jobs
from tests.record.api.asked import Asked

KEY = "key-of-the-recording"
# Ray's agents know no speed of the network before they have run for so long.
_NETWORK_KNOWN_S = 45.0


def record() -> None:
    """Record the scenario."""
    home = Path(tempfile.mkdtemp(prefix="seedcore-record-"))
    with _model() as (model_url, model):
        env = {f"SEEDCORE_{role.upper()}_TOKEN": token for role, token in TOKENS.items()}
        env |= {
            "SEEDCORE_CONFIG": str(jobs.configure(home)),
            "SEEDCORE_EVENTS_KEY": KEY,
            "SEEDCORE_LLM_BASE_URL": model_url,
            "RAY_DASHBOARD_ENABLE_PROFILING": "1",
        }
        with running(home, env) as cluster:
            began = time.monotonic()
            asked = Asked(cluster)
            _ask_of_the_organism(asked)
            jobs.submit_all(cluster)
            jobs.submit_kinds(cluster)
            jobs.run_drivers(cluster)
            _change_jobs(cluster, asked)
            _ask_of_jobs(cluster, asked, model)
            _silence_an_organ(cluster, asked)
            time.sleep(max(0.0, _NETWORK_KNOWN_S - (time.monotonic() - began)))
            _ask_of_the_cluster(asked)
            _provoke_errors(asked)
            _stop_the_dashboard(cluster, asked)
            asked.write()
    shutil.rmtree(home, ignore_errors=True)


def _ask_of_the_organism(asked: Asked) -> None:
    asked.get("/health")
    wait_for("readiness", lambda: asked.get("/ready")["status"] == "ready", 120, period_s=5)
    task = {"type": "memory.put", "parameters": {"key": "greeting", "value": "hello"}}
    asked.ask("POST", "/organism/execute", json=task)
    asked.ask("POST", "/organism/execute/random", json={"type": "plain", "description": "look around"})
    asked.ask("POST", "/organism/execute/utility_organ_1", json={"task_data": {"type": "plain", "description": "x"}})
    asked.ask("POST", "/organism/initialize")
    asked.ask("POST", "/organism/initialize", json={"force": True})
    asked.get("/organism/status")
    asked.get("/organism/summary")
    asked.ask("POST", f"/events/{KEY}", json=[{"eventType": "NODE_LIFECYCLE_EVENT"}])


def _change_jobs(cluster: Cluster, asked: Asked) -> None:
    body = {"entrypoint": jobs.python("print('done')"), "submission_id": "submitted"}
    asked.ask("POST", "/jobs", json=body)
    asked.ask("POST", "/jobs", json=body)
    asked.ask("POST", "/jobs", json={**body, "entrypoint": jobs.python("1")})
    jobs.submit(cluster, "stopped", jobs.BEGIN + "print('begin', flush=True); time.sleep(900)")
    wait_for("its driver", lambda: cluster.get("/jobs/stopped")["job_id"], 120)
    asked.ask("POST", "/jobs/stopped/stop", json={"wait_s": 0})
    asked.ask("POST", "/jobs/stopped/stop", json={"wait_s": 20})
    asked.ask("POST", "/jobs/killed/retry")
    asked.ask("POST", "/jobs/killed/retry")
    asked.ask("POST", "/jobs/no-module/retry")
    driver = next(row for row in cluster.get("/jobs", kind="user", limit=500)["items"] if row["type"] == "DRIVER")
    asked.ask("POST", f"/jobs/{driver['id']}/stop")
    asked.ask("DELETE", "/jobs/busy")
    wait_for("its end", lambda: jobs.outcome(cluster, "submitted") == "succeeded", 60)
    asked.ask("DELETE", "/jobs/submitted")


def _ask_of_jobs(cluster: Cluster, asked: Asked, model: list[int]) -> None:
    ids = (
        "ok",
        "exit-3",
        "no-module",
        "task-fails",
        "hides-it",
        "declared",
        "busy",
        "hangs",
        "circles",
        "waits",
        "stopped",
        "no-file",
        "no-function",
    )
    for id in ("exit-3", "no-module", "no-module-2", "task-fails", "no-file", "no-function", "hides-it"):
        wait_for(f"the diagnosis of {id}", partial(_find_code, cluster, id), 90)
    for id in ids:
        asked.get(f"/jobs/{id}")
    for id in ("no-module", "task-fails", "hangs", "circles", "waits", "busy", "ok"):
        asked.get(f"/jobs/{id}/diagnosis")
    asked.get("/jobs/no-module/diagnosis?words=model")
    model.append(500)
    asked.get("/jobs/exit-3/diagnosis?words=model")
    for id in ("ok", "waits"):
        asked.get(f"/jobs/{id}/logs?lines=5")
    asked.get("/jobs/ok/logs?format=text")
    asked.get("/jobs/ok/logs?follow=true")
    asked.get("/jobs/busy/stacks")
    exception = next(
        row for row in cluster.get("/jobs", outcome="failed", limit=500)["items"] if row["type"] == "DRIVER"
    )
    asked.get(f"/jobs/{exception['id']}")
    # Of this kind it is known how long it usually takes.
    asked.get(f"/jobs/{cluster.get('/jobs', kind='cluster-initialization')['items'][0]['id']}")
    wait_for("its log in the history", lambda: _is_kept(cluster, "no-module-2"), 90)
    jobs.delete_from_ray(cluster, "no-module-2")
    wait_for("that Ray has forgotten it", lambda: cluster.get("/jobs/no-module-2")["driver"] is None, 60)
    for path in ("", "/diagnosis", "/logs"):
        asked.get(f"/jobs/no-module-2{path}")
    asked.ask("DELETE", "/jobs/no-module-2")
    first = asked.get("/jobs?limit=6")
    asked.get(f"/jobs?limit=6&cursor={first['next_cursor']}")
    asked.get("/jobs?verdict=BAD&limit=4")
    asked.get("/jobs?q=no_such_module&limit=4")
    asked.get("/jobs/current")


def _find_code(cluster: Cluster, id: str) -> Any:
    return cluster.get(f"/jobs/{id}")["code"]


def _is_kept(cluster: Cluster, id: str) -> bool:
    """Whether the end of its log is in the history, which only a look into the database tells."""
    with contextlib.closing(sqlite3.connect(f"file:{cluster.home}/seedcore.db?mode=ro", uri=True)) as database:
        row = database.execute("SELECT log_excerpt FROM jobs WHERE id = ?", (id,)).fetchone()
    return row is not None and row[0] is not None


def _silence_an_organ(cluster: Cluster, asked: Asked) -> None:
    process = psutil.Process(cluster.organ(jobs.ORGAN)["agents"][0]["pid"])
    process.suspend()
    try:
        firing = lambda: cluster.get("/alerts", rule="organ-not-responding", state="firing")["items"]  # noqa: E731
        wait_for("the alert", firing, 90)
        wait_for("why", lambda: cluster.organ(jobs.ORGAN)["diagnosis"], 60)
        asked.get("/organism/status")
        asked.get("/ready")
        asked.get("/alerts")
    finally:
        process.resume()
    resolved = lambda: cluster.get("/alerts/history", state="resolved")["items"]  # noqa: E731
    wait_for("its end", resolved, 90)
    asked.get("/alerts?limit=1")
    asked.get("/alerts/history?limit=2")
    asked.get("/alerts/history?state=resolved&limit=2")


def _ask_of_the_cluster(asked: Asked) -> None:
    for window in ("5m", "7d"):
        asked.get(f"/jobs/summary?window={window}")
    asked.get("/jobs/hierarchy")
    asked.get("/jobs/hierarchy?format=text")
    asked.get("/jobs/hierarchy?format=mermaid")
    asked.get("/jobs/lifecycle")
    asked.get("/jobs/findings")
    asked.get("/ray/status")
    asked.get("/cluster/resources")
    asked.get("/cluster/nodes")
    asked.get("/cluster/actors?limit=3")
    asked.get("/cluster/actors?state=DEAD&limit=2")
    wait_for("what was left", lambda: asked.get("/cluster/leftovers")["items"], 120, period_s=10)
    for form in ("markdown", "text", "html"):
        asked.get(f"/report?format={form}")


def _provoke_errors(asked: Asked) -> None:
    id = {"X-Request-Id": "recorded-1"}
    asked.ask("GET", "/jobs", role="nobody", headers=id)
    asked.ask("GET", "/jobs", role="nobody", headers={"Host": "elsewhere.example"})
    asked.ask("POST", "/organism/initialize", role="reader")
    asked.get("/nowhere")
    asked.ask("PUT", "/jobs")
    asked.get("/jobs/no-such-job")
    asked.get("/jobs?colour=red")
    asked.get("/jobs?cursor=x")
    asked.get("/jobs?" + "&".join(f"colour{number}=red" for number in range(25)))
    asked.ask("POST", "/organism/execute", content=b"{", headers={"Content-Type": "application/json"})
    asked.ask("POST", "/organism/execute/utility_organ_1", json={"type": "memory.put", "parameters": {}})
    asked.ask("POST", "/organism/execute/utility_organ_1", json={"type": "memory.putt"})
    asked.ask("POST", "/organism/execute/no_organ", json={"type": "x"})
    asked.ask(
        "POST", "/organism/execute/actuator_organ_1", json={"type": "http.get", "parameters": {"url": "http://a"}}
    )
    asked.ask("POST", "/jobs", json={"entrypoint": []})
    asked.ask("POST", "/events/not-the-key", json=[])
    asked.get("/jobs/waits/stacks")


def _stop_the_dashboard(cluster: Cluster, asked: Asked) -> None:
    """Ray does not answer for a while: every answer says so."""
    directory = json.loads((cluster.home / "up.json").read_text())["temp_dir"]
    found = [
        process
        for process in psutil.process_iter(["cmdline"])
        if any("dashboard.py" in word for word in process.info["cmdline"] or ())
        and any(directory in word for word in process.info["cmdline"] or ())
    ]
    for process in found:
        process.suspend()
    try:
        wait_for("that it is noticed", lambda: cluster.get("/jobs", limit=1)["degraded"], 60)
        for path in ("/jobs?limit=2", "/jobs/ok", "/ray/status", "/ready", "/cluster/nodes", "/alerts?limit=1"):
            asked.get(path)
        asked.get("/jobs/ok/logs?lines=5")
        asked.get("/report")
    finally:
        for process in found:
            process.resume()


@contextlib.contextmanager
def _model() -> Iterator[tuple[str, list[int]]]:
    """A server that speaks as a language model would; it answers with the last status of the list."""
    status = [200]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            words = "The module is missing. Add it to the runtime environment."
            body: Any = {"choices": [{"message": {"role": "assistant", "content": words}}]}
            data = json.dumps(body).encode()
            self.send_response(status[-1])
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", status
    finally:
        server.shutdown()
        server.server_close()
