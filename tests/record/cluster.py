"""The cluster that is recorded: what is asked of it, and how jobs come into it."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import psutil

CONNECT = (
    "import os, signal, sys, time, ray; "
    "ray.init(address={address!r}, job_config=ray.job_config.JobConfig(metadata={{'case': {case!r}}}){more}); "
)


class Cluster:
    """A head under ``directory``, with the HTTP API of its dashboard."""

    def __init__(self, directory: Path, ports: dict[str, int], env: dict[str, str]) -> None:
        self.directory = directory
        self.ports = ports
        self.env = env
        headers = {"Authorization": f"Bearer {env['RAY_AUTH_TOKEN']}"} if "RAY_AUTH_TOKEN" in env else {}
        self.api = httpx.Client(base_url=f"http://127.0.0.1:{ports['dashboard']}", headers=headers, timeout=60)
        self.address = f"127.0.0.1:{ports['gcs']}"

    def get(self, path: str, params: dict[str, str] | None = None) -> Any:
        """JSON of an endpoint."""
        answer = self.api.get(path, params=params)
        answer.raise_for_status()
        return answer.json()

    def list_rows(self, table: str) -> list[dict[str, Any]]:
        """Rows of one of the state API's tables, with details."""
        answer = self.get(f"/api/v0/{table}", {"limit": "10000", "detail": "True"})
        rows: list[dict[str, Any]] = answer["data"]["result"]["result"]
        return rows

    def jobs(self) -> list[dict[str, Any]]:
        """Rows of the job list."""
        rows: list[dict[str, Any]] = self.get("/api/jobs/")
        return rows

    def find(self, case: str) -> dict[str, Any] | None:
        """The job of a case."""
        return next((row for row in self.jobs() if (row.get("metadata") or {}).get("case") == case), None)

    def status(self, submission_id: str) -> str:
        """Ray's word for a submission."""
        return str(self.get(f"/api/jobs/{submission_id}")["status"])

    def has_status(self, submission_id: str, *statuses: str) -> bool:
        """Whether Ray's word for a submission is one of these."""
        return self.status(submission_id) in statuses

    def has_driver(self, case: str) -> bool:
        """Whether the job of a case has a driver that Ray knows."""
        return bool((self.find(case) or {}).get("driver_info"))

    def supervisor(self, submission_id: str) -> psutil.Process | None:
        """The process of a submission's supervisor, once it lives."""
        name = f"_ray_internal_job_actor_{submission_id}"
        row = next((row for row in self.list_rows("actors") if row["name"] == name), None)
        return psutil.Process(row["pid"]) if row and row["pid"] else None

    def submit(self, case: str, entrypoint: str, metadata: dict[str, str] | None = None, **more: Any) -> None:
        """POST a job whose submission id is the case."""
        given = {"case": case, **(metadata or {})}
        body = {"submission_id": case, "entrypoint": entrypoint, "metadata": given, **more}
        self.api.post("/api/jobs/", json=body).raise_for_status()

    def stop(self, submission_id: str) -> None:
        """Ask Ray to stop a submission."""
        self.api.post(f"/api/jobs/{submission_id}/stop").raise_for_status()

    def code(self, case: str, code: str, **init: str) -> str:
        """Python that connects as this case, with further arguments of ``ray.init``, and then runs ``code``."""
        more = "".join(f", {name}={value!r}" for name, value in init.items())
        return CONNECT.format(address=self.address, case=case, more=more) + code

    def python(self, case: str, code: str, **init: str) -> str:
        """The same as a shell command."""
        return f"{shlex.quote(sys.executable)} -c {shlex.quote(self.code(case, code, **init))}"

    def driver(self, case: str, code: str) -> None:
        """Run a driver to its end."""
        done = self.run([sys.executable, "-c", self.code(case, code)])
        print(case, done.returncode, done.stderr.splitlines()[-1:])

    def run(self, command: list[str], text: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a process in the directory of the cluster, with ``text`` as its input."""
        return subprocess.run(
            command,
            input=text,
            env=self.env,
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def spawn(self, case: str, code: str, **init: str) -> subprocess.Popen[bytes]:
        """Start a driver that goes on until the head stops."""
        with (self.directory / f"{case}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-c", self.code(case, code, **init)],
                env=self.env,
                cwd=self.directory,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
