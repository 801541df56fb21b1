"""`/jobs/{id}/diagnosis`: why a job failed, or whether it makes progress."""

from __future__ import annotations

from typing import Annotated

from typing_extensions import TypedDict

from organs.fields import Time, allow_words, closed, describe, describe_time
from serve_app.schemas.common import ObservedAnswer, OutcomeWord

CertaintyWord = Annotated[str, allow_words("certain", "likely", "possible")]
CodeClassWord = Annotated[str, allow_words("transient", "permanent", "capacity", "needs-second-signal", "intended")]
DiagnosisStateWord = Annotated[str, allow_words("failed", "waiting", "well", "unknown")]
ProgramKindWord = Annotated[
    str,
    allow_words(
        "missing-key",
        "shape",
        "missing-file",
        "permission",
        "refused",
        "timeout",
        "value",
        "range",
        "assertion",
        "type",
        "attribute",
        "other",
    ),
]
MotionWord = Annotated[
    str,
    allow_words("moving", "quiet", "waiting", "circling", "stuck", "resting", "busy", "unseen", "unknown"),
]
SaysWord = Annotated[str, allow_words("moving", "still", "unknown")]
AuthorWord = Annotated[str, allow_words("built-in", "model")]


@closed
class LineView(TypedDict):
    """A line that carries a finding."""

    source: Annotated[
        str,
        describe("A log's name, or what Ray's tables say of a task, an actor, a worker, a node.", "job-driver-a.log"),
    ]
    line: Annotated[int, describe("From 1; 0 is a field of Ray's row.", 12, unit="line number")]
    quote: Annotated[str, describe("The redacted part of the line.", "ModuleNotFoundError: No module named 'pandas'")]


@closed
class ChainLink(TypedDict):
    """One link between what was seen last and its cause."""

    code: Annotated[str, describe("The cause code of the link.", "app.import-error")]
    sentence: Annotated[str, describe("What it says.", "A module could not be imported, on the driver or on a worker.")]
    evidence: Annotated[LineView | None, describe("The line that carries it.")]


@closed
class CandidateView(TypedDict):
    """Another answer, and why it is not the answer."""

    code: Annotated[str, describe("Its cause code.", "app.exception")]
    title: Annotated[str, describe("The code in words.", "an exception of the program")]
    certainty: Annotated[CertaintyWord, describe("How well its evidence carries it.", "possible")]
    rule: Annotated[str, describe("The rule that found it.", "exception")]
    evidence: Annotated[list[LineView], describe("The lines that carry it.")]
    why_not: Annotated[str, describe("Why it is not the answer.", "It follows from app.import-error.")]


@closed
class ProgramView(TypedDict):
    """The exception of a program, and where in the user's own code it was."""

    exception: Annotated[str, describe("Its class.", "KeyError")]
    message: Annotated[str, describe("What it says, redacted; may be empty.", "'label'")]
    file: Annotated[str | None, describe("The user's own file; null: only libraries are seen.", "train.py")]
    line: Annotated[int | None, describe("The line in it, from 1.", 33, unit="line number")]
    function: Annotated[str | None, describe("The function in it.", "load_rows")]
    call: Annotated[str | None, describe("The library call in which it ended, if in one.", "pandas.read_csv")]
    kind: Annotated[ProgramKindWord, describe("What sort of mistake it is.", "missing-key")]


_WithClass = TypedDict(
    "_WithClass",
    {"class": Annotated[CodeClassWord | None, describe("Whether trying again can help.", "permanent")]},
)


@closed
class DiagnosisView(_WithClass):
    """Why a job failed."""

    code: Annotated[
        str | None,
        describe("Null: nothing is wrong; `unknown`: the evidence does not tell what.", "app.import-error"),
    ]
    title: Annotated[str, describe("The code in words.", "a module is missing")]
    sentence: Annotated[str, describe("What happened.", "The program imports a module that is not installed.")]
    certainty: Annotated[CertaintyWord | None, describe("How well the evidence carries the code.", "certain")]
    rule: Annotated[str | None, describe("The signature or rule that found it.", "module-not-found")]
    evidence: Annotated[list[LineView], describe("The lines that carry it.")]
    chain: Annotated[list[ChainLink], describe("From what was seen last to its cause.")]
    candidates: Annotated[list[CandidateView], describe("Other answers.")]
    advice: Annotated[list[str], describe("What to change, in order.", ["Add the module to the runtime environment."])]
    docs: Annotated[
        str | None,
        describe("A page of Ray's documentation.", "https://docs.ray.io/en/latest/ray-core/handling-dependencies.html"),
    ]
    unavailable: Annotated[list[str], describe("What could not be looked at.", ["Its node is gone."])]
    state: Annotated[
        DiagnosisStateWord,
        describe("Of `waiting` the code is of `scheduling` or `cluster`; only `well` has no code.", "failed"),
    ]
    read_as: Annotated[
        list[str], describe("What the texts were taken for; empty: no log that is known.", ["driver-log"])
    ]
    program: Annotated[ProgramView | None, describe("The program's exception, if one is the cause.")]


@closed
class BriefView(_WithClass):
    """A diagnosis in a line or three, as the report has it. Not published by itself."""

    code: Annotated[str, describe("The cause code.", "app.import-error")]
    title: Annotated[str | None, describe("The code in words.", "a module is missing")]
    certainty: Annotated[CertaintyWord | None, describe("How well the evidence carries the code.", "certain")]
    evidence: Annotated[LineView | None, describe("One line of evidence.")]
    advice: Annotated[str | None, describe("The first advice.", "Add the module to the runtime environment.")]


@closed
class BriefsAnswer(TypedDict):
    """Diagnoses that were made, in brief. Not published by itself."""

    items: Annotated[dict[str, BriefView], describe("By session and id of the job.")]


@closed
class SignalView(TypedDict):
    """One sign that a job moves, or does not."""

    name: Annotated[str, describe("What was looked at.", "task-states")]
    value: Annotated[float | str | None, describe("What was seen.", 4, unit="as `unit` says")]
    unit: Annotated[str, describe("The unit of `value`; empty: a word.", "changes")]
    at: Annotated[Time, describe_time("When it was seen.")]
    since: Annotated[Time | None, describe_time("Since when it has been so, as far as known.")]
    says: Annotated[SaysWord, describe("Whether it speaks for motion.", "moving")]
    detail: Annotated[str, describe("The same in words.", "tasks changed state in 3 s")]


@closed
class StillnessView(TypedDict):
    """Whether a job that has not ended makes progress, and if not why."""

    state: Annotated[MotionWord, describe("Whether it moves.", "moving")]
    code: Annotated[str | None, describe("The cause code of its standstill, if one is proven.", "scheduling.waiting")]
    sentence: Annotated[str, describe("The same in words.", "Its tasks change state.")]
    signals: Annotated[list[SignalView], describe("What that rests on.")]
    settle: Annotated[list[str], describe("What would settle the doubt that is left.", ["Ask again in a minute."])]
    advice: Annotated[list[str], describe("What to change, in order.", ["Ask for fewer CPUs."])]


@closed
class ExplanationView(TypedDict):
    """Words for people: never evidence."""

    text: Annotated[str, describe("The words.", "The job failed because the module pandas is not installed.")]
    written_by: Annotated[AuthorWord, describe("Whose words these are.", "built-in")]
    model: Annotated[str | None, describe("The model's name, if it wrote them.", "default")]
    reason: Annotated[
        str | None,
        describe("Why the words are not the model's, when they were asked of it.", "no model is set"),
    ]


@closed
class MadeDiagnosis(ObservedAnswer):
    """A diagnosis as the history keeps it. Not published by itself."""

    id: Annotated[str, describe("The job.", "nightly-report-1")]
    outcome: Annotated[OutcomeWord, describe("What became of it.", "failed")]
    diagnosis: Annotated[
        DiagnosisView | None, describe("Null for a job that has not ended, unless it can never start.")
    ]
    stillness: Annotated[StillnessView | None, describe("Of a job that runs or waits: whether it is stuck.")]


@closed
class DiagnosisAnswer(MadeDiagnosis):
    """Why a job failed; of one that has not ended whether it makes progress."""

    explanation: Annotated[ExplanationView | None, describe("The diagnosis in words; `words=model` asks a model.")]
