"""Wanted against actual: pure decisions of the organism manager.

Initialization is level-triggered: each look compares what is recorded with what is wanted and names at most one thing
to do, so that doing it twice, or starting over in the middle, does no harm.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from organs.models import AgentStatus, OrganSpec
from organs.times import format_time
from serve_app.outcomes import OPEN_STATUSES
from serve_app.schemas.cluster import DeploymentView
from serve_app.schemas.organism import OrganView, ProbeView

KIND = "coa-initialization"

# Organs that never come up must not keep the job from saying so.
_WAIT_FOR_ORGANS_S = 30.0
# Serve's words for a deployment that does not become what is wanted (``DeploymentStatus`` of ray/serve/schema.py).
_FAILING = ("UNHEALTHY", "DEPLOY_FAILED")

InitializationState = Literal["succeeded", "running", "failed", "due", "waiting_for_person"]


@dataclass(frozen=True)
class Submission:
    """One submission of the initialization job of this generation, as Ray lists it."""

    submission_id: str
    status: str
    message: str
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True)
class Initialization:
    """Where initialization stands, and whether the manager shall submit the job now."""

    state: InitializationState
    sentence: str
    submission_id: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    attempts: int = 0
    submit: bool = False
    succeeded_before: bool = False
    """A run of this generation has succeeded, so that the organs are fit for work whatever the newest run says."""


def compute_generation(specs: Sequence[OrganSpec], head_node_id: str) -> str:
    """Name of what has to be initialized: these organs on this head. A new head is a new generation."""
    parts = [head_node_id, *sorted(f"{spec.id}:{spec.type}" for spec in specs)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def decide(
    recorded: dict[str, Any] | None, submissions: Sequence[Submission], *, attempts_allowed: int, enabled: bool
) -> Initialization:
    """Compare the store's latest run of this generation with Ray's submissions of it, and say what is due.

    A submission that somebody stopped is not started again: a person asked for that. Failures in a row are counted
    from Ray's list, because a job that dies before it reaches the store leaves no record there.
    """
    now = _decide(recorded, submissions, attempts_allowed, enabled)
    return replace(now, succeeded_before=any(each.status == "SUCCEEDED" for each in submissions))


def _decide(
    recorded: dict[str, Any] | None, submissions: Sequence[Submission], attempts_allowed: int, enabled: bool
) -> Initialization:
    newest_first = sorted(
        submissions, key=lambda each: each.started_at.timestamp() if each.started_at else 0.0, reverse=True
    )
    active = next((each for each in newest_first if each.status in OPEN_STATUSES), None)
    attempts = len(submissions)
    if active is not None:
        return Initialization(
            "running", "The initialization job is running.", **_render_submission(active), attempts=attempts
        )
    if recorded is not None and recorded["state"] == "succeeded":
        return Initialization(
            "succeeded",
            recorded["sentence"],
            recorded["submission_id"],
            recorded["started_at"],
            recorded["ended_at"],
            attempts,
        )
    if not newest_first:
        return Initialization("due", "Initialization has not run yet.", submit=enabled)
    newest = newest_first[0]
    if newest.status == "STOPPED":
        sentence = "The initialization job was stopped on request; POST /organism/initialize runs it again."
        return Initialization("waiting_for_person", sentence, **_render_submission(newest), attempts=attempts)
    reason = _explain_phase(recorded, newest)
    if _count_failures_in_a_row(newest_first) >= attempts_allowed:
        sentence = f"{reason} It failed {attempts_allowed} times; mend the cause, then POST /organism/initialize."
        return Initialization("waiting_for_person", sentence, **_render_submission(newest), attempts=attempts)
    return Initialization("failed", reason, **_render_submission(newest), attempts=attempts, submit=enabled)


def render_organ(
    spec: OrganSpec,
    agents: Sequence[AgentStatus],
    serve: DeploymentView | None,
    probe: ProbeView | None,
) -> OrganView:
    """One organ of ``GET /organism/status``: what Serve wants, which agents answered, and what the probe saw.

    ``serve`` is None when Serve could not be asked; then the wanted number is unknown, not zero.
    """
    desired = serve["target_num_replicas"] if serve else None
    ordered = sorted(agents, key=lambda agent: agent["rank"])
    status, message = _decide_organ_status(len(agents), desired, serve, probe)
    return {
        "organ_id": spec.id,
        "organ_type": spec.type,
        "description": spec.description,
        "status": status,
        "message": message,
        "agent_count": len(agents),
        "desired_agent_count": desired,
        "agent_ids": [agent["agent_id"] for agent in ordered],
        "agents": ordered,
        "last_probe": probe,
    }


def is_due(now: Initialization, organs: Sequence[OrganView], waited_s: float) -> bool:
    """Whether to submit the job now: what can be up is up, or was waited for long enough.

    It says once what an organ misses that no node can hold; again it is tried when that is mended, so that the attempts
    are not used up by what no attempt changes.
    """
    if not now.submit:
        return False
    if now.attempts and any(organ["status"] == "unplaceable" for organ in organs):
        return False
    return waited_s > _WAIT_FOR_ORGANS_S or all(
        organ["agent_count"] or organ["status"] in ("asleep", "waking", "unplaceable") for organ in organs
    )


def describe_missing(spec: OrganSpec, agents: Sequence[AgentStatus], serve: DeploymentView | None) -> str | None:
    """What the initialization job misses in an organ, as a sentence; None when its agents are as configured.

    ``serve`` is None when Serve could not be asked.
    """
    if serve is None:
        return f"{spec.id}: Serve does not say how many agents are wanted"
    desired, shortage = serve["target_num_replicas"], serve.get("shortage")
    if desired == 0:
        return None
    wanted = {f"{spec.id}_agent_{rank}" for rank in range(desired)}
    present = {agent["agent_id"] for agent in agents}
    absent, foreign = sorted(wanted - present), sorted(present - wanted)
    strange = sorted({agent["organ_type"] for agent in agents} - {spec.type})
    if absent and shortage:
        return shortage["sentence"].rstrip(".")
    if absent:
        return f"{spec.id}: {len(absent)} of {desired} agents did not answer ({', '.join(absent[:10])})"
    if len(agents) != len(present):
        return f"{spec.id}: two replicas claim the same agent id"
    if foreign:
        return f"{spec.id}: agents answered that are not configured ({', '.join(foreign[:10])})"
    if strange:
        return f"{spec.id}: agents are of type {', '.join(strange)}, configured is {spec.type}"
    return None


def _render_submission(submission: Submission) -> dict[str, Any]:
    return {
        "submission_id": submission.submission_id,
        "started_at": format_time(submission.started_at),
        "ended_at": format_time(submission.ended_at),
    }


def _explain_phase(recorded: dict[str, Any] | None, newest: Submission) -> str:
    if recorded is not None and recorded["submission_id"] == newest.submission_id and recorded["state"] == "failed":
        return str(recorded["sentence"])
    return f"The initialization job {newest.submission_id} ended with status {newest.status} before it was done."


def _count_failures_in_a_row(newest_first: Sequence[Submission]) -> int:
    count = 0
    for each in newest_first:
        if each.status != "FAILED":
            break
        count += 1
    return count


def may_probe(serve: DeploymentView | None, count: int) -> bool:
    """Whether to ask an organ through Serve's router, where a question that nobody takes counts as work and wakes it.

    ``count``: agents that told of themselves, which they are asked without the router. One that may sleep is probed
    only while some did, and so is one of which Serve does not tell.
    """
    if serve is None or serve.get("least_replicas") == 0:
        return count > 0
    return serve["target_num_replicas"] > 0 and serve.get("running", 1) > 0


def _decide_organ_status(
    count: int, desired: int | None, serve: DeploymentView | None, probe: ProbeView | None
) -> tuple[str, str]:
    said = f" Serve says: {serve['message']}" if serve and serve.get("message") else ""
    shortage = serve.get("shortage") if serve else None
    if serve and desired == 0 and serve["status"] not in _FAILING:
        return "asleep", "Scaled to zero, as configured." + " A task wakes it." * (serve.get("least_replicas") == 0)
    if count == 0 and shortage:
        return ("unplaceable" if shortage["hopeless"] else "starting"), shortage["sentence"]
    if probe is not None and not probe["ok"] and count > 0:
        return "not_responding", f"The probe failed: {probe['detail']}.{said}"
    if count == 0 and serve is not None and serve["status"] == "UPSCALING" and serve.get("least_replicas") == 0:
        return "waking", f"It wakes; tasks wait for it.{said}"
    if count == 0 and serve is not None and serve["status"] in ("UPDATING", "UPSCALING"):
        return "starting", f"No agent answers yet.{said}"
    if count == 0 and probe is not None and probe["ok"]:
        return "degraded", f"The probe was answered, but no agent told of itself.{said}"
    if count == 0:
        return "not_responding", f"No agent answers.{said}"
    if desired is not None and count < desired:
        more = f" {shortage['sentence']}" if shortage else said
        return "degraded", f"{count} of {desired} agents answer.{more}"
    if shortage:
        return "degraded", f"All agents answer, but another cannot be placed: {shortage['sentence']}"
    return "ready", "All agents answer."
