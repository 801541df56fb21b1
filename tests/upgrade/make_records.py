"""Makes what an old version leaves behind, with that version's own code: ``recorded/<commit>``.

Its database, what it asked its store, its configuration, one with every setting that it knew, and what `make up` wrote.
Run it in a checkout of that commit:

    git worktree add --detach /tmp/old 9652b36
    cd /tmp/old && PYTHONPATH=$PWD <python with the packages> <here>/make_records.py <here>/recorded/9652b36

The jobs are those of the recorded cluster (``tests/unit/recorded`` there), judged and recorded by the inspector of that
commit, with the diagnoses that can be made without a cluster; the rest is written through its store. Nothing is random
and the clock stands still, so that a second run makes the same rows.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import sqlite3
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import yaml

SOME_JOBS = 4
GENERATION = "g-of-the-old"
ORGANS = {"cognitive_organ_1": "Cognitive", "actuator_organ_1": "Actuator", "utility_organ_1": "Utility"}


class Noting:
    """A store that notes what it is asked, as JSON."""

    def __init__(self, store: Any) -> None:
        self.store = store
        self.asked: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        def ask(*args: Any) -> Any:
            self.asked.append(json.loads(json.dumps([name, args])))
            return getattr(self.store, name)(*args)

        return ask


class Handle:
    """A Serve handle of something that is here."""

    def __init__(self, part: Any) -> None:
        self._part = part

    def __getattr__(self, name: str) -> Any:
        return Method(getattr(self._part, name))


class Method:
    """``handle.method``."""

    def __init__(self, method: Any) -> None:
        self._method = method

    def remote(self, *args: Any) -> Answer:
        return Answer(self._method(*args))


class Answer:
    """What ``remote`` gives: it is awaited once."""

    def __init__(self, coroutine: Any) -> None:
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, None, Any]:
        answer: Generator[Any, None, Any] = self._coroutine.__await__()
        return answer

    def cancel(self) -> None:
        self._coroutine.close()


async def make(path: Path) -> list[Any]:
    """Fill a database at ``path``; gives the calls that did it."""
    from serve_app.store.store import Store
    from tests.unit.jobs.recorded import taken_at

    noting = Noting(await Store.open(f"sqlite:///{path}", now=taken_at))
    try:
        await _record_jobs(noting)
        await _fill(noting)
    finally:
        await noting.store.close()
    return noting.asked


async def _record_jobs(store: Any) -> None:
    from serve_app.errors import Unavailable
    from serve_app.jobs.inspector import JobInspector
    from tests.unit.jobs.recorded import Replay, taken_at
    from tests.unit.jobs.test_inspector import Here

    class WithoutLogs(Replay):  # type: ignore[misc]
        async def read_piece(self, *_: Any, **__: Any) -> Any:
            raise Unavailable("There are no logs.")

        rows_of = log_files = read_piece

    inspector = JobInspector(Handle(store), WithoutLogs(), Here(), taken_at)  # type: ignore[arg-type]
    page = await inspector.list_jobs({"limit": 500})
    for _ in range(3):
        await inspector._watch.recorder_turn()
    failed = [row["id"] for row in page["items"] if row["outcome"] == "failed"]
    session = Here.session
    for id in sorted(failed)[:SOME_JOBS]:
        answer = await inspector.diagnosis(id)
        assert await store.save_diagnosis(f"{session}/{id}", {"diagnosis": answer["diagnosis"]})
    await inspector.close()
    await store.save_log_excerpt(f"{session}/submission-no-ray", "Traceback (most recent call last):\nValueError: no\n")


async def _fill(store: Any) -> None:
    from organs.agent import AgentState, TaskRecord
    from serve_app.alerts.models import Alert
    from serve_app.alerts.settings import Rule
    from tests.unit.jobs.recorded import taken_at

    await store.ping()
    await store.begin_initialization("coa-initialization-old", GENERATION)
    for organ_id in ORGANS:
        state = AgentState()
        for number in range(3):
            task = TaskRecord("test.skill", number != 1, 0.5, 0.25, taken_at().isoformat())
            state = state.record(task, smoothing=0.2, history_limit=100)
        agent_id = f"{organ_id}_agent_0"
        claimed = await store.claim_agent(agent_id, organ_id, "old-replica")
        await store.save_agent(agent_id, claimed["epoch"], state.to_json())
        test = {"agent_id": agent_id, "skill": "test.skill", "success": True, "duration_s": 0.1, "detail": "done"}
        await store.record_initialization_step("coa-initialization-old", GENERATION, organ_id, [agent_id], test)
    await store.finish_initialization("coa-initialization-old", True, "3 organs answer.")
    await store.put_memory("old-key", {"words": ["Größe", "ß"], "n": 1}, ["old", "kept"], "utility_organ_1_agent_0")
    at = taken_at()
    common = {"rule": Rule.MEMORY_HIGH, "severity": "warning", "sentence": "It uses 90%.", "action": "Look."}
    firing = Alert(
        "a-firing", "f-1", subject="node-1", state="firing", value=0.9, threshold=0.8, pending_since=at,
        firing_since=at, notified=True, **common,
    )  # fmt: skip
    resolved = Alert(
        "a-resolved", "f-2", subject="node-2", state="resolved", value=0.9, threshold=0.8, pending_since=at,
        firing_since=at, resolved_at=at, notified=True, **common,
    )  # fmt: skip
    note = {"id": "n-1", "alert_id": "a-firing", "webhook": "hook", "payload": {"alert": "a-firing"}}
    note["created_at"] = at.isoformat()
    await store.apply_alerts([firing.to_json(), resolved.to_json()], [], [note])
    starts_at = int(at.timestamp()) // 60 * 60
    sample = {"series": "node", "label": "n1", "width_s": 60, "starts_at": starts_at, "payload": {"n": 1}}
    await store.save_samples([sample])


def list_settings() -> str:
    """A configuration with every setting, with the examples of the README."""
    from organs.models import OrganConfig
    from serve_app.alerts.settings import AlertsConfig
    from serve_app.settings import AppArgs, IngressConfig, InspectorConfig, ManagerConfig

    blocks = [block.split("```")[0] for block in Path("README.md").read_text().split("```yaml\n")[1:]]
    kinds = next(block[block.index("      kinds:") :] for block in blocks if "      kinds:" in block)
    signatures = next(block for block in blocks if block.startswith("signatures:"))
    config = yaml.safe_load(Path("serve_config.yaml").read_text())
    application = config["applications"][0]
    args = json.loads(AppArgs.model_validate(application["args"]).model_dump_json())
    args["job_management"] |= {"enabled": True, "allowed_working_dirs": ["s3://bucket/jobs"]}
    application["args"] = {**args, "allowed_hosts": ["ray.example.org"]}
    organ = {"role_probabilities": {"E": 0.2, "S": 0.3, "O": 0.5}, "http_allowlist": ["api.example.org"]}
    given: dict[str, Any] = {
        "Ingress": (IngressConfig, {}),
        "OrganismManager": (ManagerConfig, {}),
        "JobInspector": (InspectorConfig, {**yaml.safe_load(kinds), **yaml.safe_load(signatures)}),
        "Alerts": (
            AlertsConfig,
            {
                "holds": [{"rule": "cpu-high", "hold_s": 10}],
                "disabled": ["missing-job"],
                "silences": [{"rule": "*", "subject": "n-*", "until": "2026-01-01T00:00:00Z", "reason": "known"}],
                "webhooks": [{"name": "ops", "url": "https://hooks.example.org/x", "token_env": "HOOK_TOKEN"}],
            },
        ),
        **dict.fromkeys(ORGANS, (OrganConfig, organ)),
    }
    application["deployments"] = [
        {"name": name, "user_config": {**json.loads(model().model_dump_json()), **values}}
        for name, (model, values) in given.items()
    ]
    head = "# Every setting that this version knew, as its own models wrote them (tests/upgrade/make_records.py).\n"
    return head + str(yaml.safe_dump(config, sort_keys=False))


def list_state() -> str:
    """What `make up` remembers in ``up.json``."""
    from serve_app.local.state import ProcessMark, UpState

    remembered = UpState(
        started_at="2026-01-01T00:00:00+00:00", http_port=8000, dashboard_port=8265, ray_port=6379,
        temp_dir="/t/sc-1", chosen_ports={"ray_client": 20001}, config_sha256="of the old",
        processes=(ProcessMark(pid=7, started_at_s=1.5, name="raylet"),),
        prints={"the code": "of the old", "deploy/serve.env": "1", "a SEEDCORE_ variable": "2"},
    )  # fmt: skip
    return str(remembered.model_dump_json(indent=2)) + "\n"


if __name__ == "__main__":
    records = Path(sys.argv[1])
    records.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        made, packed = Path(directory) / "seedcore.db", Path(directory) / "packed.db"
        asked = asyncio.run(make(made))
        with sqlite3.connect(made) as connection:
            connection.execute("VACUUM INTO ?", (str(packed),))
        (records / "seedcore.db.gz").write_bytes(gzip.compress(packed.read_bytes(), mtime=0))
    (records / "calls.json").write_text(json.dumps(asked, indent=1) + "\n")
    (records / "serve_config.yaml").write_text(Path("serve_config.yaml").read_text())
    (records / "settings.yaml").write_text(list_settings())
    (records / "up.json").write_text(list_state())
