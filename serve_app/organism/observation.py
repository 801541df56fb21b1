"""What the manager sees at one moment: the organs' agents, Serve's wishes, a probe of each organ."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ray.serve.handle import DeploymentHandle

from organs.models import AgentStatus, OrganSpec
from organs.times import format_time
from serve_app.cluster.handles import collect, connect
from serve_app.errors import AppError
from serve_app.organism.questions import OrganReplica, ServeObserver
from serve_app.organism.reconcile import may_probe, render_organ
from serve_app.schemas.cluster import DeploymentView
from serve_app.schemas.diagnosis import DiagnosisView
from serve_app.schemas.organism import DiagnosedOrganView, OrganView, ProbeView

_WELL = ("ready", "asleep", "waking")


@dataclass(frozen=True)
class Observation:
    """The organs as last seen."""

    organs: tuple[DiagnosedOrganView, ...]
    taken_at: datetime
    taken_monotonic: float


async def observe(
    specs: Sequence[OrganSpec],
    handles: dict[str, DeploymentHandle],
    inspector: DeploymentHandle,
    timeout_s: float,
) -> Observation:
    """Ask Serve, then every organ at once; what does not answer in time is absent, and said to be so.

    Serve first: by its numbers an organ may sleep, and must not be woken by being looked at.
    """
    observer = connect(ServeObserver, inspector, timeout_s=timeout_s)
    serve = await _ask_serve_details(observer)
    told = [None if serve is None else serve.get(spec.id) for spec in specs]
    seen = await asyncio.gather(
        *(_observe_organ(handles[spec.id], each, timeout_s) for spec, each in zip(specs, told, strict=True))
    )
    organs = [
        render_organ(spec, agents, each, probe) for spec, each, (agents, probe) in zip(specs, told, seen, strict=True)
    ]
    # An inspector that has just not answered is not waited for once more.
    asked = observer if serve is not None else None
    reasons = await asyncio.gather(*(_ask_diagnosis(organ, asked) for organ in organs))
    whole: list[DiagnosedOrganView] = [
        {**organ, "diagnosis": reason} for organ, reason in zip(organs, reasons, strict=True)
    ]
    return Observation(tuple(whole), datetime.now(UTC), time.monotonic())


async def _ask_diagnosis(organ: OrganView, observer: ServeObserver | None) -> DiagnosisView | None:
    """Why an organ is not ready; None when it is, or when nobody can tell in time."""
    if organ["status"] in _WELL or observer is None:
        return None
    failed = organ["status"] != "starting"
    try:
        told = await observer.deployment_diagnosis(organ["organ_id"], failed)
    except AppError:
        return None
    found: DiagnosisView | None = told["diagnosis"]
    return found


async def _ask_serve_details(observer: ServeObserver) -> dict[str, DeploymentView] | None:
    try:
        return await observer.serve_details()
    except AppError:
        return None


async def _observe_organ(
    handle: DeploymentHandle, serve: DeploymentView | None, timeout_s: float
) -> tuple[list[AgentStatus], ProbeView | None]:
    if may_probe(serve, count=0):
        agents, probe = await asyncio.gather(
            collect(handle, OrganReplica.status, timeout_s=timeout_s), _probe(handle, timeout_s)
        )
        return agents, probe
    agents = await collect(handle, OrganReplica.status, timeout_s=timeout_s)
    return agents, await _probe(handle, timeout_s) if may_probe(serve, len(agents)) else None


async def _probe(handle: DeploymentHandle, timeout_s: float) -> ProbeView:
    """Through Serve's router, the way a task goes: Serve's HEALTHY is not asked."""
    at, began = format_time(datetime.now(UTC)), time.monotonic()
    try:
        answer = await connect(OrganReplica, handle, timeout_s=timeout_s).ping()
    except AppError as error:
        return {"at": at, "ok": False, "latency_s": None, "detail": error.detail}
    latency_s = round(time.monotonic() - began, 6)
    return {"at": at, "ok": True, "latency_s": latency_s, "detail": f"{answer['agent_id']} answered"}
