"""What is in the report: a pure function of what the parts said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from serve_app.health import Part
from serve_app.jobs.expectations import expectation_of

MAX_JOBS = 100
_ORDER = ("BAD", "WARN", "UNKNOWN", "OK")
_ORGAN_VERDICTS = {"ready": "OK", "starting": "WARN", "degraded": "WARN", "not_responding": "BAD"}
_INITIALIZATION_VERDICTS = {
    "succeeded": "OK",
    "running": "OK",
    "due": "WARN",
    "failed": "WARN",
    "waiting_for_person": "BAD",
}


@dataclass(frozen=True)
class Finding:
    """Something a person should look at: how bad, what, why, and what to do."""

    verdict: str
    subject: str
    sentence: str
    action: str


@dataclass(frozen=True)
class Report:
    """Everything that a rendering needs."""

    verdict: str
    as_of: str
    findings: tuple[Finding, ...]
    cluster: Mapping[str, Any]
    nodes: Sequence[Mapping[str, Any]]
    organs: Sequence[Mapping[str, Any]]
    initialization: Mapping[str, Any]
    jobs: Sequence[Mapping[str, Any]]
    more_jobs: bool
    degraded: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """For ``GET /report``."""
        return asdict(self)


def build_report(organism: Part, jobs: Part, nodes: Part, resources: Part, now: datetime) -> Report:
    """Put together what is known; a part that said nothing is named in ``degraded`` and makes the verdict UNKNOWN."""
    parts = {"organism": organism, "jobs": jobs, "nodes": nodes, "resources": resources}
    degraded = [f"{name}: {part.error}" for name, part in parts.items() if part.value is None]
    degraded += [str(reason) for reason in (jobs.value or {}).get("degraded") or ()]
    organs = (organism.value or {}).get("organs", [])
    initialization = (organism.value or {}).get("initialization", {})
    rows = (jobs.value or {}).get("items", [])
    findings = [
        *(_organ_finding(organ) for organ in organs),
        *([_initialization_finding(initialization)] if initialization else []),
        *(_node_finding(node) for node in (nodes.value or {}).get("items", []) if node.get("state") != "ALIVE"),
        *(_job_finding(row) for row in rows),
        *(
            Finding("UNKNOWN", "observation", reason, "Look at the Ray dashboard; ask again in a minute.")
            for reason in degraded
        ),
    ]
    worth = sorted((each for each in findings if each.verdict != "OK"), key=lambda each: _ORDER.index(each.verdict))
    return Report(
        verdict=worth[0].verdict if worth else "OK",
        as_of=now.isoformat(timespec="seconds"),
        findings=tuple(worth),
        cluster=resources.value or {},
        nodes=(nodes.value or {}).get("items", []),
        organs=organs,
        initialization=initialization,
        jobs=rows,
        more_jobs=bool((jobs.value or {}).get("next_cursor")),
        degraded=tuple(degraded),
    )


def _organ_finding(organ: Mapping[str, Any]) -> Finding:
    verdict = _ORGAN_VERDICTS.get(organ["status"], "UNKNOWN")
    action = f"Read the log of {organ['organ_id']} in the Ray dashboard (Serve); Serve replaces dead agents by itself."
    return Finding(verdict, organ["organ_id"], organ["message"], action)


def _initialization_finding(now: Mapping[str, Any]) -> Finding:
    verdict = _INITIALIZATION_VERDICTS.get(now["state"], "UNKNOWN")
    return Finding(verdict, "initialization", now["sentence"], "Mend the cause, then POST /organism/initialize.")


def _node_finding(node: Mapping[str, Any]) -> Finding:
    return Finding("WARN", f"node {node.get('node_id')}", "The node is dead.", "If it should be there, start it again.")


def _job_finding(row: Mapping[str, Any]) -> Finding:
    verdict = row.get("verdict") if row.get("verdict") in _ORDER else "UNKNOWN"
    expected = expectation_of(str(row.get("kind")))
    meaning = next((each for outcome, each in expected.meanings.items() if outcome == row.get("outcome")), None)
    action = f"{meaning.action} " if meaning is not None else ""
    sentence = str(row.get("reason") or "")
    return Finding(str(verdict), f"job {row.get('id')}", sentence, f"{action}Evidence: GET /jobs/{row.get('id')}.")
