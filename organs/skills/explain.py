"""Why a job has its verdict, in plain words, from its facts alone."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from organs.skills.contract import Outcome, Skill, SkillContext

_KINDS = {
    "cluster-initialization": "the start of the cluster's head node",
    "application-server": "the application server, the job that Ray Serve runs in",
    "coa-initialization": "the initialization of the organism",
    "observer": "a short diagnostic client",
    "internal": "one of Ray's own jobs",
    "user": "a user's job",
}
_OUTCOMES = {
    "pending": "has not started yet",
    "running": "is running",
    "succeeded": "succeeded",
    "failed": "failed",
    "stopped": "was stopped on request",
    "contradicted": "has ended, and what is known of its end does not agree",
    "ended_unknown": "has ended, and whether it did its work is not known",
    "lost": "was lost with the node it ran on",
}
_LONGEST_S = 1e12
_VERDICTS = {
    "OK": "That is what is expected of such a job.",
    "WARN": "That deserves a look.",
    "BAD": "That is not what is expected of such a job.",
    "UNKNOWN": "Whether that is well cannot be told from what Ray keeps.",
}


class ExplainInput(BaseModel):
    """Which job: its id, or its row."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    job_id: str | None = Field(default=None, min_length=1, max_length=256, description="Job id or submission id.")
    job: dict[str, JsonValue] | None = Field(default=None, description="A row of GET /jobs, instead of an id.")

    @model_validator(mode="after")
    def _require_exactly_one(self) -> ExplainInput:
        if (self.job_id is None) == (self.job is None):
            raise ValueError("give either job_id or job")
        return self


class JobExplain(Skill[ExplainInput]):
    """Say in words why a job has its verdict."""

    name = "job.explain"
    summary = "Says in words why a job has its verdict, from its facts."
    organ_type = "Cognitive"
    keywords = ("job", "explain", "why", "verdict", "fail", "failed", "reason", "outcome", "driver", "submission")
    idempotent = True
    Input = ExplainInput

    async def run(self, input: ExplainInput, context: SkillContext) -> Outcome:
        row = input.job if input.job_id is None else await context.ports.jobs.get_job(input.job_id)
        explained = explain(row or {})
        return Outcome(explained, len(explained["facts"]) / len(_FACTS))


MAX_EVIDENCE = 10
_FACTS = ("id", "kind", "status", "outcome", "verdict", "reason", "scheduled_by", "managed_by")


def explain(row: dict[str, Any]) -> dict[str, Any]:
    """Words and the facts that they rest on; a fact that is missing is said to be missing, never guessed."""
    facts = {name: row[name] for name in _FACTS if row.get(name) not in (None, "")}
    missing = [name for name in _FACTS if name not in facts]
    sentences = [
        _describe_job(row),
        _describe_owner(row),
        _describe_course(row),
        _VERDICTS.get(str(row.get("verdict")), "It has no verdict."),
    ]
    if row.get("reason"):
        sentences.append(f"The reason: {str(row['reason']).rstrip('.')}.")
    evidence = row.get("evidence")
    sentences += [_describe_evidence(each) for each in (evidence if isinstance(evidence, list) else [])[:MAX_EVIDENCE]]
    sentences.append(_describe_expectation(row.get("expectation")))
    if missing:
        sentences.append(f"Not known: {', '.join(missing)}.")
    return {"job_id": row.get("id"), "text": " ".join(filter(None, sentences)), "facts": facts, "missing": missing}


def _describe_job(row: dict[str, Any]) -> str:
    kind = str(row.get("kind") or "user")
    return f"Job {row.get('id', 'without an id')} is {_KINDS.get(kind, 'a job of the kind ' + kind)} ({kind})."


def _describe_owner(row: dict[str, Any]) -> str:
    parts = [
        f"{verb} by {row[name]}"
        for name, verb in (("scheduled_by", "scheduled"), ("managed_by", "managed"))
        if row.get(name)
    ]
    return f"It is {' and '.join(parts)}." if parts else ""


def _describe_course(row: dict[str, Any]) -> str:
    outcome = _OUTCOMES.get(str(row.get("outcome")), "has an outcome that is not known")
    duration_s = row.get("duration_s")
    # Rows come from callers too: no number here is longer than a float, and a truth value is no number.
    known = isinstance(duration_s, int | float) and not isinstance(duration_s, bool) and abs(duration_s) < _LONGEST_S
    took = f" after {duration_s:g} s" if known else ""
    said = ""
    if row.get("status") and str(row["status"]).lower() != str(row.get("outcome")):
        said = f"; Ray's own word for it is {row['status']}"
    return f"It {outcome}{took}{said}."


def _describe_expectation(expectation: Any) -> str:
    if not isinstance(expectation, dict):
        return ""
    ends = {True: "It is expected to end.", False: "It is expected to run on."}
    must_end, action = expectation.get("must_end"), expectation.get("action")
    said = ends[must_end] if isinstance(must_end, bool) else ""
    todo = f"{str(action).rstrip('.')}." if action else ""
    return f"{said} {todo}".strip()


def _describe_evidence(each: Any) -> str:
    if isinstance(each, dict):
        text = each.get("text") or each.get("detail") or each.get("fact") or ""
        source = each.get("source")
        return f"Evidence{f' from {source}' if source else ''}: {str(text).rstrip('.')}." if text else ""
    return f"Evidence: {str(each).rstrip('.')}."
