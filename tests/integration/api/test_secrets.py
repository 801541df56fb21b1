"""Secrets of a job go nowhere: not into any answer, not into the history, not into our logs."""

from __future__ import annotations

import sqlite3
import subprocess

from tests.integration.cluster import ROOT, Cluster, wait_for

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
