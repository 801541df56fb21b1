"""The application that cases are sent to in this process: the API, the inspector, the management of jobs and the alerts
as they are, over a recorded Ray and recorded answers of what needs one that runs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from serve_app.alerts.deployment import Alerts
from serve_app.api.access import Role
from serve_app.api.app import Api, create_api
from serve_app.api.deps import Deps
from serve_app.jobs.actions.settings import JobManagement
from serve_app.jobs.inspector import JobInspector
from serve_app.settings import AppArgs, IngressConfig
from tests.unit.alerts.fakes import Clock, Handle, MemoryStore, Part
from tests.unit.alerts.parts import at, inputs, organism
from tests.unit.fakes import ALL_TOKENS, ARGS, EXECUTOR, OPERATOR, READER, FakeOrgans, FakePart, KeptRequests
from tests.unit.jobs.actions.fakes import FakeRay
from tests.unit.jobs.recordings import Replay, taken_at
from tests.unit.jobs.test_inspector import Here

RECORDED = Path(__file__).parents[1] / "unit" / "recorded" / "api"
EVENTS_KEY = "events-key-of-the-fuzz-run"
KNOWN_JOB = "no-module"
TOKENS: dict[str, str | None] = {
    "nobody": None,
    **{role.name.lower(): token for role, token in zip(Role, (READER, EXECUTOR, OPERATOR), strict=True)},
}


class Cluster(Replay):
    """A recorded Ray that also takes jobs, in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.ray = FakeRay()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["ray"], name)


class Jobs:
    """The inspector; but ``KNOWN_JOB`` and what needs a Ray that runs as they were recorded."""

    def __init__(self, inspector: JobInspector) -> None:
        self._inspector = inspector
        self._recorded = FakePart(
            {
                "ray_status": {
                    key: value for key, value in read_answer("GET /ray/status").items() if key != "versions"
                },
                "code_versions": read_answer("GET /ray/status")["versions"],
                "get_job": read_answer(f"GET /jobs/{KNOWN_JOB}"),
                "diagnosis": read_answer(f"GET /jobs/{KNOWN_JOB}/diagnosis"),
                "job_log": read_answer("GET /jobs/no-module-2/logs"),
                "whole_log": read_answer("GET /jobs/no-module-2/logs"),
                "job_stacks": read_answer("GET /jobs/busy/stacks"),
                "stop_job": read_answer("POST /jobs/stopped/stop"),
                "retry_job": read_answer("POST /jobs/killed/retry"),
                "delete_job": read_answer("DELETE /jobs/submitted"),
                "follow_log": [
                    {"lines": [["line", 5]], "at": 5},
                    {"end": {"reason": "ended", "status": "FAILED", "outcome": "failed", "sentence": "It failed."}},
                ],
            }
        )

    def __getattr__(self, name: str) -> Any:
        real, recorded = getattr(self._inspector, name), self._recorded

        def choose(*args: Any, **kwargs: Any) -> Any:
            is_known = name in recorded.answers and (not args or args[0] == KNOWN_JOB)
            return (getattr(recorded, name) if is_known else real)(*args, **kwargs)

        return choose


def read_answer(name: str) -> Any:
    """The body of the first recorded success of a request, ``METHOD /path``."""
    for path in sorted(RECORDED.glob("*.json")):
        for each in json.loads(path.read_text()):
            if f"{each['method']} {each['path']}" == name and each["status"] < 300:
                return each["body"]
    raise LookupError(name)


async def build_application() -> Api:
    """The ASGI application, with job management on and a token for each role."""
    told = read_answer("GET /organism/status")
    inspector = JobInspector(
        None, Cluster(), Here(), taken_at, lambda: 0.0, JobManagement(enabled=True)  # type: ignore[arg-type]
    )  # fmt: skip
    clock = Clock()
    alerts = Alerts(
        Handle(Part(organism())), Handle(Part(inputs(as_of=at(0).isoformat()))), Handle(MemoryStore(clock)),
        now=clock.now, clock=clock.monotonic,
    )  # fmt: skip
    await alerts.look()
    part = FakePart(
        {
            "status": {"organs": told["data"], "initialization": told["initialization"], "as_of": told["as_of"]},
            "initialize_once": {
                key: value for key, value in read_answer("POST /organism/initialize").items() if key != "success"
            },
            "renew_request": None,
            "ping": {"backend": "sqlite", "latency_s": 0.001},
        }
    )
    requests = KeptRequests()
    vars(part).update(begin_request=requests.begin_request, finish_request=requests.finish_request)
    deps = Deps(
        FakeOrgans(), part, Jobs(inspector), part, alerts, IngressConfig(),  # type: ignore[arg-type]
        events_key=EVENTS_KEY, management=JobManagement(enabled=True),
    )  # fmt: skip
    args = AppArgs.model_validate({**ARGS.model_dump(), "job_management": {"enabled": True}})
    return create_api(deps, args, ALL_TOKENS, frozenset())
