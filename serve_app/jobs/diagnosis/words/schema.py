"""What ``GET /jobs/{id}/diagnosis`` answers, for the OpenAPI document; a test holds it to ``models.Diagnosis``."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

Certainty = Literal["certain", "likely", "possible"]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class EvidenceShape(_Shape):
    """A line that carries a finding."""

    source: str = Field(description="A log's name, or what Ray's tables say of a task, an actor, a worker, a node.")
    line: int = Field(ge=0, description="From 1; 0 is a field of Ray's row.")
    quote: str = Field(description="The redacted part of the line.")


class StepShape(_Shape):
    """One link between what was seen last and its cause."""

    code: str
    sentence: str
    evidence: EvidenceShape | None


class CandidateShape(_Shape):
    """Another answer, and why it is not the answer."""

    code: str
    title: str
    certainty: Certainty
    rule: str
    evidence: list[EvidenceShape]
    why_not: str


class DiagnosisShape(_Shape):
    """Why a job failed."""

    code: str | None = Field(description="Null: nothing is wrong; `unknown`: the evidence does not tell what.")
    title: str
    sentence: str
    certainty: Certainty | None
    code_class: str | None = Field(alias="class", description="Whether trying again can help.")
    rule: str | None
    evidence: list[EvidenceShape]
    chain: list[StepShape]
    candidates: list[CandidateShape]
    advice: list[str] = Field(description="What to change, in order.")
    docs: str | None = Field(description="A page of Ray's documentation.")
    unavailable: list[str] = Field(description="What could not be looked at.")


class ExplanationShape(_Shape):
    """Words for people: never evidence."""

    text: str
    written_by: Literal["built-in", "model"]
    model: str | None
    reason: str | None = Field(description="Why the words are not the model's, when they were asked of it.")


class DiagnosisAnswer(_Shape):
    """Why a job failed; of one that has not ended whether it makes progress."""

    id: str
    outcome: str
    diagnosis: DiagnosisShape | None = Field(description="Null for a job that has not ended.")
    stillness: dict[str, JsonValue] | None = Field(description="Of a job that runs or waits: whether it is stuck.")
    explanation: ExplanationShape | None = Field(description="The diagnosis in words; `words=model` asks a model.")
    as_of: str
    degraded: list[str]
