"""Is the application ready? A pure decision over what each part said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

Status = Literal["ready", "degraded", "not_ready"]

# Rules of findings about what this application is deployed of (``jobs.answers.deployments``, which brings more than
# who reads a report needs), and the word for each.
OF_DEPLOYMENTS: Final = {"refused-setting": "refused", "application-troubled": "troubled"}


@dataclass(frozen=True)
class Part:
    """What one part said: its value, or why there is none."""

    value: Mapping[str, Any] | None
    error: str | None = None


@dataclass(frozen=True)
class Readiness:
    """The status, why it is not better, and a line for each part."""

    status: Status
    reasons: tuple[str, ...]
    checks: Mapping[str, str]

    @property
    def http_status(self) -> int:
        """503 keeps load balancers away; degraded still serves."""
        return 503 if self.status == "not_ready" else 200


def judge_readiness(store: Part, organism: Part, jobs: Part, alerts: Part, findings: Part) -> Readiness:
    """Not ready: no store to write to, an organ without agents, never initialized: requests, or what was acknowledged,
    would be lost. Degraded: anything less, as a deployment that does not answer, or that refused its settings, or
    alerts of which somebody does not hear.
    """
    blocking: list[str] = []
    degrading: list[str] = []
    checks = {"store": "ok", "organism_manager": "ok", "job_inspector": "ok", "alerts": "ok", "settings": "ok"}
    if store.value is None:
        checks["store"] = store.error or "no answer"
        blocking.append(f"store: {checks['store']}")
    elif store.value.get("note"):
        degrading.append(f"store: {store.value['note']}")
    if organism.value is None:
        checks["organism_manager"] = organism.error or "no answer"
        degrading.append(f"organism manager: {checks['organism_manager']}")
    else:
        _check_organs(organism.value["organs"], checks, blocking, degrading)
        _check_initialization(organism.value["initialization"], checks, blocking, degrading)
    if jobs.value is None:
        checks["job_inspector"] = jobs.error or "no answer"
        degrading.append(f"job inspector: {checks['job_inspector']}")
    elif jobs.value.get("degraded"):
        checks["job_inspector"] = "degraded"
        degrading += [f"job inspector: {reason}" for reason in jobs.value["degraded"]]
    if alerts.value is None:
        checks["alerts"] = alerts.error or "no answer"
        degrading.append(f"alerts: {checks['alerts']}")
    else:
        _check_receivers(alerts.value.get("receivers") or (), checks, degrading)
    _check_deployments(findings, checks, degrading)
    status: Status = "not_ready" if blocking else "degraded" if degrading else "ready"
    return Readiness(status, (*blocking, *degrading), checks)


def _check_receivers(receivers: Sequence[Mapping[str, Any]], checks: dict[str, str], degrading: list[str]) -> None:
    for each in receivers:
        checks[f"receiver {each['name']}"] = "failing"
        degrading.append(f"receiver {each['name']}: {each['sentence']} {each['action']}")


def _check_deployments(findings: Part, checks: dict[str, str], degrading: list[str]) -> None:
    """Where the findings are not there, the inspector's own line has told it."""
    if findings.value is None:
        checks["settings"] = "not known"
        return
    for each in findings.value["items"]:
        if each["rule"] not in OF_DEPLOYMENTS:
            continue
        checks["settings" if each["subject_type"] == "deployment" else each["subject"]] = OF_DEPLOYMENTS[each["rule"]]
        degrading.append(f"{each['subject']}: {each['sentence']}")


def _check_organs(
    organs: Sequence[Mapping[str, Any]], checks: dict[str, str], blocking: list[str], degrading: list[str]
) -> None:
    for organ in organs:
        checks[organ["organ_id"]] = organ["status"]
        if organ["status"] == "asleep":
            continue
        if organ["agent_count"] == 0 and organ["status"] != "waking":
            blocking.append(f"{organ['organ_id']}: {organ['message']}")
        elif organ["status"] != "ready":
            degrading.append(f"{organ['organ_id']}: {organ['message']}")


def _check_initialization(
    now: Mapping[str, Any], checks: dict[str, str], blocking: list[str], degrading: list[str]
) -> None:
    checks["initialization"] = now["state"]
    if now["state"] == "succeeded":
        return
    reason = f"initialization: {now['sentence']}"
    # Once it has succeeded, doing it again leaves the organs at work; `succeeded_before` tells.
    (degrading if now.get("succeeded_before") else blocking).append(reason)
