"""Secrets of a job go nowhere: not into any answer, not into the history, not into our logs."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
from base64 import b64encode
from pathlib import Path
from urllib.parse import quote

import httpx

from serve_app.local.state import PRIVATE_FILES
from tests.integration.cluster import ROOT, TOKENS, TOKENS_FILE, Cluster, wait_for

CANARY = "canary-8d1f4c0a77"
ID = "tells-secrets"
# In no environment: only its form tells that it is one.
WORD = "canary-of-words-5"
CODE = f"""
import os, sys
print('connecting with password={CANARY}', flush=True)
print('plain', os.environ['HARMLESS_NAME'], repr(os.environ['CONNECTION']), flush=True)
sys.exit('refused: token={CANARY} of ' + os.environ['HARMLESS_NAME'])
"""


def test_no_secret_of_a_job_gets_anywhere(cluster: Cluster) -> None:
    body = {
        "submission_id": ID,
        "entrypoint": [
            "python",
            "-c",
            CODE,
            "--api-key",
            CANARY,
            f"--database=postgresql://me:{CANARY}@db/x",
            "--pw",
            WORD,
            f"-p{WORD}",
            f"user:{WORD}@db",
        ],
        "metadata": {"api_key": CANARY, "note": f"Authorization: Bearer {CANARY}", "conn": f"mysql -u root -p{WORD}"},
        "runtime_env": {
            "env_vars": {
                "SERVICE_TOKEN": CANARY,
                "HARMLESS_NAME": f"{CANARY}-of-a-name",
                "CONNECTION": f"Server=db;Uid=svc;Pwd={CANARY};",
            }
        },
    }
    with cluster.api() as api:
        assert api.post("/jobs", json=body).status_code == 201
        wait_for("its end", lambda: api.get(f"/jobs/{ID}").json()["outcome"] == "failed")
        wait_for("its log in the history", lambda: _excerpt(cluster))
        paths = [path for path, methods in api.get("/openapi.json").json()["paths"].items() if "get" in methods]
        asked = [path.replace("{id}", ID) for path in paths]
        asked += ["/report?format=html", "/report?format=text", "/report?format=markdown", f"/jobs?q={ID}"]
        asked += ["/jobs/hierarchy?format=text", "/jobs/hierarchy?format=mermaid", f"/jobs/{ID}/logs?format=text"]
        answers = {path: api.get(path) for path in asked}
        answers["explain"] = cluster.execute(
            "cognitive_organ_1", {"type": "job.explain", "parameters": {"job_id": ID}, "description": "why"}
        )
    assert [path for path, answer in answers.items() if CANARY in answer.text or WORD in answer.text] == []
    assert "[redacted]" in answers[f"/jobs/{ID}/logs"].text
    assert "[redacted]" in answers[f"/jobs/{ID}"].text
    stored = _stored(cluster)
    assert ID in stored
    assert CANARY not in stored
    assert WORD not in stored
    exported = subprocess.run(
        [cluster.python, "-m", "serve_app.history", "export", "-"],
        env={**cluster.env, "SEEDCORE_HOME": str(cluster.home)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ID in exported.stdout
    assert CANARY not in exported.stdout + exported.stderr
    assert WORD not in exported.stdout + exported.stderr
    ours = [path for path in (cluster.logs / "serve").glob("*.log") if CANARY in path.read_text(errors="replace")]
    assert [path.name for path in ours] == []


LOOKS_AROUND = """
import base64, os, pathlib, urllib.parse
print('environment', sorted(os.environ.items()), flush=True)
file = pathlib.Path(os.environ['SEEDCORE_SECRETS_FILE'])
print('file', file, oct(file.stat().st_mode), flush=True)
text = file.read_text()
print('content', text, flush=True)
for before in range(3):
    print('encoded', base64.b64encode(b'x' * before + text.encode()).decode(), flush=True)
print('quoted', urllib.parse.quote(text, safe=''), ''.join('%%%02x' % byte for byte in text.encode()), flush=True)
marker = os.environ['SEEDCORE_UP_HEAD']
for place in pathlib.Path('/proc').glob('[0-9]*/environ'):
    try:
        seen = place.read_bytes()
    except OSError:
        continue
    if marker.encode() in seen:
        print('proc', place, [each for each in seen.split(b'\\0') if b'TOKEN' in each], flush=True)
"""


def test_a_job_of_this_user_and_what_it_can_tell(cluster: Cluster) -> None:
    """What each of these gives away stands in docs/SECURITY.md."""
    id = "looks-around"
    with cluster.api() as api:
        asked = {"submission_id": id, "entrypoint": ["python", "-c", LOOKS_AROUND]}
        assert api.post("/jobs", json=asked).status_code == 201
        wait_for("its end", lambda: api.get(f"/jobs/{id}").json()["outcome"] == "succeeded")
    raw = (cluster.logs / f"job-driver-{id}.log").read_text()
    environment = next(line for line in raw.splitlines() if line.startswith("environment "))
    processes = [line for line in raw.splitlines() if line.startswith("proc ")]
    # Jobs inherit no token, and neither does any process of the head.
    assert [token for token in TOKENS.values() if token in environment] == []
    assert len(processes) > 3
    assert [token for token in TOKENS.values() if token in "".join(processes)] == []
    # It is of the same user, so it can read the file; who reads its log through us cannot.
    assert "0o100600" in raw
    assert [token for token in TOKENS.values() if token not in raw] == []
    with cluster.api("reader") as reader:
        logs = f"/jobs/{id}/logs?lines=500"
        paths = [logs, f"{logs}&format=text", f"/jobs/{id}", f"/jobs/{id}/diagnosis"]
        shown = {path: reader.get(path).text for path in paths}
    hidden = [*TOKENS.values(), *(quote(token, safe="") for token in TOKENS.values())]
    for token in TOKENS.values():
        hidden.append("".join(f"%{byte:02x}" for byte in token.encode()))
        hidden += [b64encode(token.encode()[shift:])[: len(token) - 8].decode() for shift in (0, 1, 2)]
    assert [(path, each) for path, text in shown.items() for each in hidden if each in text] == []
    assert "content" in shown[f"{logs}&format=text"]
    # The key of events has to be in Ray's environment; it is hidden, too.
    key = _find_events_key(raw)
    assert [path for path, text in shown.items() if key in text] == []


def test_an_event_that_a_job_invents_makes_and_ends_nothing(cluster: Cluster) -> None:
    raw = (cluster.logs / "job-driver-looks-around.log").read_text()
    future = "2999-01-01T00:00:00Z"
    invented = b64encode(bytes.fromhex("fe000000")).decode()
    told = {"jobId": invented, "entrypoint": "python invented.py", "config": {"metadata": {}}}
    steps = {"jobId": invented, "stateTransitions": [{"state": "CREATED", "timestamp": future}]}
    events = [
        {"eventType": ["DRIVER_JOB_DEFINITION_EVENT"]},
        {"eventType": "DRIVER_JOB_DEFINITION_EVENT", "driverJobDefinitionEvent": told},
        {"eventType": "DRIVER_JOB_LIFECYCLE_EVENT", "driverJobLifecycleEvent": steps},
    ]
    with httpx.Client(base_url=cluster.http_url, timeout=20) as stranger:
        answer = stranger.post(f"/events/{_find_events_key(raw)}", json=events)
    assert (answer.status_code, answer.json()) == (200, {"told": 2})
    wait_for("a later look", lambda: cluster.get("/ray/status")["events"]["not_understood"] >= 1, 30)
    assert [job["id"] for job in cluster.get("/jobs", limit=50)["items"] if job["id"] == "fe000000"] == []


def test_tokens_come_and_go_while_it_runs(cluster: Cluster) -> None:
    def command(*words: str) -> str:
        done = subprocess.run(
            [cluster.python, "-m", "serve_app.tokens", "--file", str(cluster.home / TOKENS_FILE), *words],
            env=cluster.env, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        return done.stdout.strip()

    def ask() -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.get(f"{cluster.http_url}/jobs?limit=1", headers=headers, timeout=20).status_code

    token = command("new", "alice", "reader")
    assert token not in (cluster.home / TOKENS_FILE).read_text()
    wait_for("the new token", lambda: ask() == 200, 30)
    command("revoke", "alice")
    wait_for("its end", lambda: ask() == 401, 30)
    with cluster.api() as api:
        assert api.get("/jobs", params={"limit": 1}).status_code == 200


def test_what_lies_on_disk_is_of_the_owner_alone(cluster: Cluster) -> None:
    written = [path for name in PRIVATE_FILES if (path := cluster.home / name).exists()]
    written += list(cluster.home.glob("seedcore.db*"))
    assert len(written) > 5
    assert [path.name for path in written if path.stat().st_mode & 0o077] == []
    session = Path(json.loads((cluster.home / "up.json").read_text())["temp_dir"])
    assert session.parent.stat().st_mode & 0o777 == 0o700


def _find_events_key(raw: str) -> str:
    found = re.search(r"'SEEDCORE_EVENTS_KEY', '([A-Za-z0-9_-]{16,})'", raw)
    assert found is not None
    return found[1]


def _stored(cluster: Cluster) -> str:
    """Every row of every table; the index of texts cannot be read as a table, and what it is kept in can."""
    database = sqlite3.connect(f"file:{cluster.home}/seedcore.db?mode=ro", uri=True)
    try:
        real = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'"
        tables = [name for (name,) in database.execute(real)]
        return "\n".join(str(row) for name in tables for row in database.execute(f'SELECT * FROM "{name}"'))
    finally:
        database.close()


def _excerpt(cluster: Cluster) -> str | None:
    database = sqlite3.connect(f"file:{cluster.home}/seedcore.db?mode=ro", uri=True)
    try:
        row = database.execute("SELECT log_excerpt FROM jobs WHERE id = ?", (ID,)).fetchone()
    finally:
        database.close()
    return None if row is None else row[0]
