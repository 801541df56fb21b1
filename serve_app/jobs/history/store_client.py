"""The store behind its Serve handle, as the inspector asks it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ray.serve.handle import DeploymentHandle

from serve_app.cluster.handles import call
from serve_app.schemas.diagnosis import MadeDiagnosis

Json = dict[str, Any]

# Longer than the store's own deadline, so that its sentence arrives and not ours.
TIMEOUT_S = 6.0


class HistoryHandle:
    """``recorder.History`` and ``archive.PastJobs``; every method may be repeated, so a lost replica is asked again."""

    def __init__(self, store: DeploymentHandle) -> None:
        self._store = store

    async def save_jobs(self, session: str, records: Sequence[Json]) -> bool:
        return bool(await self._ask("save_jobs", session, records))

    async def open_jobs(self, session: str) -> list[str]:
        return list(await self._ask("open_jobs", session))

    async def close_unseen_jobs(self, session: str, keys: Sequence[str]) -> None:
        await self._ask("close_unseen_jobs", session, keys)

    async def close_sessions(self, current: str) -> list[str]:
        return list(await self._ask("close_sessions", current))

    async def forget_jobs(self, kept_days: float, kept_jobs: int, batch: int) -> int:
        return int(await self._ask("forget_jobs", kept_days, kept_jobs, batch))

    async def past_runs(self, series: Sequence[str]) -> dict[str, Json]:
        return dict(await self._ask("past_runs", series))

    async def list_jobs(self, asked: Json) -> list[Json]:
        return list(await self._ask("list_jobs", asked))

    async def find_job(self, wanted: str, session: str | None) -> Json | None:
        found: Json | None = await self._ask("find_job", wanted, session)
        return found

    async def job_transitions(self, key: str) -> list[Json]:
        return list(await self._ask("job_transitions", key))

    async def jobs_ended_since(self, since_us: int, counts_only: bool) -> Json:
        return dict(await self._ask("jobs_ended_since", since_us, counts_only))

    async def save_log_excerpt(self, key: str, text: str) -> bool:
        return bool(await self._ask("save_log_excerpt", key, text))

    async def save_diagnosis(self, key: str, diagnosis: MadeDiagnosis) -> bool:
        return bool(await self._ask("save_diagnosis", key, diagnosis))

    async def diagnoses(self, keys: Sequence[str]) -> dict[str, MadeDiagnosis]:
        return dict(await self._ask("diagnoses", list(keys)))

    async def delete_job(self, key: str) -> bool:
        return bool(await self._ask("delete_job", key))

    async def save_samples(self, rows: list[Json]) -> None:
        await self._ask("save_samples", rows)

    async def load_samples(self, since_s: int, after: list[Any] | None) -> Json:
        return dict(await self._ask("load_samples", since_s, after))

    async def _ask(self, method: str, *args: Any) -> Any:
        return await call("Store", getattr(self._store, method), *args, timeout_s=TIMEOUT_S, retries=1)
