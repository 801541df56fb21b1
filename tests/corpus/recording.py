"""A recording: everything that the product could fetch about one submission, and what is known of its end."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import secrets
import time
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

from tests.corpus.program import Program
from tests.corpus.scrubbing import bounded, scrubber
from tests.record.cluster import Cluster
from tests.record.nodes import wait

__all__ = [
    "ENDED", "MADE", "Program", "Recording", "Source",
    "collect", "load", "log_sizes", "recorded", "run_program", "save", "submit",
]  # fmt: skip

MADE = Path(__file__).parent / "made"
ENDED = ("SUCCEEDED", "FAILED", "STOPPED")
FIELDS = ("status", "error_type", "driver_exit_code", "message", "type", "entrypoint")
MAX_SYSTEM_BYTES = 16_000
MOST_WORKER_LOGS = 12
MOST_ROWS = 12
# Tables and the last lines of workers are written a little after the job has ended.
_SETTLE_S = 2.5


@dataclass(frozen=True, slots=True)
class Source:
    """One text; ``kind`` is a SourceKind of the product."""

    name: str
    kind: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Recording:
    """What was run, and what could be known of it afterwards."""

    program: Program
    recorded_at: str
    fields: Mapping[str, Any]
    sources: tuple[Source, ...]


def run_program(cluster: Cluster, program: Program) -> Recording:
    """Submit the program, wait for its end, collect. Raises SystemExit when it does not end as it should."""
    before = log_sizes(cluster)
    submission_id = submit(cluster, program)
    if program.during:
        program.during(cluster, submission_id)
    try:
        wait(lambda: cluster.status(submission_id) in ENDED, f"{program.id} to end", program.timeout_s)
    except SystemExit:
        # It would go on beside the next one, and be in its logs.
        cluster.stop(submission_id)
        raise
    time.sleep(_SETTLE_S)
    return collect(cluster, submission_id, program, before)


def submit(cluster: Cluster, program: Program) -> str:
    """Submit the program; returns the id of the submission."""
    # As Ray's own client names them: the program's id would tell a reader of the log the answer.
    submission_id = f"raysubmit_{secrets.token_hex(8)}"
    runtime_env = dict(program.runtime_env)
    if program.source_code or program.files:
        runtime_env.setdefault("working_dir", _upload(cluster, program))
    places = {"$DIRECTORY": str(cluster.directory), "$CLIENT_PORT": str(cluster.ports["client"])}
    entrypoint = program.entrypoint
    for name, value in places.items():
        entrypoint = entrypoint.replace(name, value)
    body = {"submission_id": submission_id, "entrypoint": entrypoint, "runtime_env": runtime_env}
    cluster.api.post("/api/jobs/", json=body | dict(program.submit_options)).raise_for_status()
    return submission_id


def collect(
    cluster: Cluster,
    submission_id: str,
    program: Program,
    before: Mapping[str, int],
    *,
    last_row: Mapping[str, Any] | None = None,
    more: Iterable[Source] = (),
) -> Recording:
    """What the cluster tells of a submission, and ``more``; ``before``: sizes of the system's logs before it.

    With ``last_row``, what was last read of a job whose cluster no longer answers, only files are collected.
    Raises SystemExit when the job has not ended as the program must, or its evidence is in no source.
    """
    row = last_row or cluster.get(f"/api/jobs/{submission_id}")
    sentences = () if last_row else _sentences(cluster, row)
    found = [*_logs(cluster, submission_id, row.get("job_id")), *sentences, *more, *_system(cluster, before)]
    return recorded(cluster, program, row, found)


def recorded(cluster: Cluster, program: Program, row: Mapping[str, Any], found: Iterable[Source]) -> Recording:
    """What was found, scrubbed and bounded; raises SystemExit as ``collect`` does."""
    scrub = scrubber(cluster.directory)
    fields = {name: row.get(name) for name in FIELDS}
    fields = {name: scrub(each.encode()).decode() if isinstance(each, str) else each for name, each in fields.items()}
    sources = tuple(Source(each.name, each.kind, bounded(scrub(each.data))) for each in found if _tells(each.data))
    recording = Recording(program, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), fields, sources)
    _check(recording)
    return recording


def save(recording: Recording) -> Path:
    """Write the recording to ``made/``."""
    program = recording.program
    plain = {
        "id": program.id,
        **_label(program),
        "ray": ray.__version__,
        "recorded_at": recording.recorded_at,
        "fields": dict(recording.fields),
        "sources": [{"name": each.name, "kind": each.kind, **_written(each.data)} for each in recording.sources],
    }
    MADE.mkdir(exist_ok=True)
    path = MADE / f"{program.id}.json"
    _write(path, plain)
    return path


def relabel(program: Program) -> None:
    """Write what is now said of the program into its recording; raises SystemExit when no source has its evidence."""
    path = MADE / f"{program.id}.json"
    recording = load(path)
    texts = [source.pop("data") for source in recording["sources"]]
    if not any(program.evidence.encode() in text for text in texts):
        raise SystemExit(f"{program.id}: no source has the evidence {program.evidence!r}")
    _write(path, recording | _label(program))


def load(path: Path) -> dict[str, Any]:
    """A recording as it was written, with ``data`` (bytes) in each of its sources."""
    plain: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    for source in plain["sources"]:
        source["data"] = base64.b64decode(source["base64"]) if "base64" in source else source["text"].encode()
    return plain


def log_sizes(cluster: Cluster) -> dict[str, int]:
    """How much the system has written to each of its logs so far."""
    return {path.name: path.stat().st_size for path in _directory(cluster).glob("*") if path.is_file()}


def _upload(cluster: Cluster, program: Program) -> str:
    """Send the program's files as Ray's own client does; returns the URI of the package."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in {"main.py": program.source_code, **program.files}.items():
            archive.writestr(name, text)
    digest = hashlib.sha256(packed.getvalue()).hexdigest()[:16]
    cluster.api.put(f"/api/packages/gcs/_ray_pkg_{digest}.zip", content=packed.getvalue()).raise_for_status()
    return f"gcs://_ray_pkg_{digest}.zip"


def _logs(cluster: Cluster, submission_id: str, job_id: str | None) -> Iterator[Source]:
    """The driver's log, and those of the workers of its job."""
    driver = _directory(cluster) / f"job-driver-{submission_id}.log"
    if driver.exists():
        yield Source("driver.log", "driver", driver.read_bytes())
    if not job_id:
        return
    workers = [path for path in _worker_logs(cluster, job_id) if path.suffix in (".out", ".err")]
    for path in sorted(workers, key=lambda each: -each.stat().st_size)[:MOST_WORKER_LOGS]:
        yield Source(path.name, "worker", path.read_bytes())


def _sentences(cluster: Cluster, row: Mapping[str, Any]) -> Iterator[Source]:
    """What Ray's tables say of the job and of its actors, workers, tasks and nodes."""
    yield _sentence("job message", row.get("message"))
    for node in cluster.list("nodes")[:MOST_ROWS]:
        yield _sentence(f"node {node['node_id']}", node.get("state_message"))
    job_id = row.get("job_id")
    if not job_id:
        return
    pids = {row["driver_info"]["pid"]} if row.get("driver_info") else set()
    pids |= {path.stem.rsplit("-", 1)[1] for path in _worker_logs(cluster, job_id)}
    for actor in _of_job(cluster, "actors", job_id):
        yield _sentence(f"actor {actor['actor_id']}", _cause(actor.get("death_cause")))
    workers = [each for each in cluster.list("workers") if str(each["pid"]) in pids]
    for worker in [each for each in workers if each.get("exit_type")][:MOST_ROWS]:
        yield _sentence(f"worker {worker['worker_id']}", f"{worker['exit_type']}: {worker.get('exit_detail')}")
    for task in _of_job(cluster, "tasks", job_id):
        yield _sentence(f"task {task['task_id']} attempt {task['attempt_number']}", task.get("error_message"))


def _of_job(cluster: Cluster, table: str, job_id: str) -> list[dict[str, Any]]:
    rows = [row for row in cluster.list(table) if row["job_id"] == job_id]
    return [row for row in rows if row.get("death_cause") or row.get("error_message")][:MOST_ROWS]


def _cause(death_cause: Any) -> str:
    """The texts within a death cause, which is one of several messages with a text each."""
    if not isinstance(death_cause, dict):
        return str(death_cause or "")
    wanted = ("error_message", "formatted_exception_string", "reason")
    own = [str(value) for name, value in death_cause.items() if name in wanted and value]
    inner = [_cause(value) for value in death_cause.values() if isinstance(value, dict)]
    return "\n".join(filter(None, [*own, *inner]))


def _sentence(name: str, text: str | None) -> Source:
    return Source(name, "ray", (text or "").encode())


def _system(cluster: Cluster, before: Mapping[str, int]) -> Iterator[Source]:
    """What raylets, the GCS and the builder of runtime environments wrote since the job began."""
    for pattern in ("raylet.out", "raylet.err", "gcs_server.out", "gcs_server.err", "runtime_env_setup-*.log"):
        for path in sorted(_directory(cluster).glob(pattern)):
            data = path.read_bytes()[before.get(path.name, 0) :]
            yield Source(path.name, "system", bounded(data, MAX_SYSTEM_BYTES))
    for path in sorted(cluster.directory.glob("w/session_2*/logs/raylet.*")):
        yield Source(f"{path.name} of a worker node", "system", bounded(path.read_bytes(), MAX_SYSTEM_BYTES))


def _tells(data: bytes) -> bool:
    """Whether there is anything beside the lines by which Ray marks whose log it is."""
    return bool(re.sub(rb"(?m)^:(?:job_id|task_name|actor_name):.*$", b"", data).strip())


def _worker_logs(cluster: Cluster, job_id: str) -> list[Path]:
    """Logs of the workers of a job, on the head and on the worker nodes, which are under ``w``."""
    pattern = f"worker-*-{job_id}-*"
    return [*_directory(cluster).glob(pattern), *cluster.directory.glob(f"w/session_2*/logs/{pattern}")]


def _directory(cluster: Cluster) -> Path:
    return cluster.directory / "t" / "session_latest" / "logs"


def _label(program: Program) -> dict[str, Any]:
    return {
        "title": program.title,
        "primary": program.primary,
        "acceptable": list(program.acceptable),
        "why": program.why,
        "evidence": program.evidence,
    }


def _write(path: Path, plain: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(plain, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _written(data: bytes) -> dict[str, str]:
    try:
        return {"text": data.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


def _check(recording: Recording) -> None:
    program, status = recording.program, recording.fields["status"]
    tail = recording.sources[0].data[-1500:].decode(errors="replace") if recording.sources else ""
    if status not in program.statuses:
        raise SystemExit(f"{program.id} ended {status}, not {' or '.join(program.statuses)}:\n{tail}")
    if not any(program.evidence.encode() in source.data for source in recording.sources):
        raise SystemExit(f"{program.id}: no source has the evidence {program.evidence!r}:\n{tail}")
