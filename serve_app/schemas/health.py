"""`/health` and `/ready`."""

from __future__ import annotations

from typing import Annotated, NotRequired

from typing_extensions import TypedDict

from organs.fields import allow_words, closed, describe

AliveWord = Annotated[str, allow_words("alive")]
ReadyWord = Annotated[str, allow_words("ready", "degraded", "not_ready")]


@closed
class AliveAnswer(TypedDict):
    """The process can answer."""

    status: Annotated[AliveWord, describe("Always the same.", "alive")]


@closed
class ReadyAnswer(TypedDict):
    """Whether the application can do its work."""

    status: Annotated[ReadyWord, describe("`degraded` still serves.", "ready")]
    reasons: Annotated[list[str], describe("Why it is not better.", ["initialization: It is running."])]
    checks: Annotated[dict[str, str], describe("A word for each part.", {"store": "ok", "utility_organ_1": "ready"})]


@closed
class StoreAnswer(TypedDict):
    """What the store says when it is asked whether it is there. Not published by itself."""

    backend: Annotated[str, describe("The database.", "sqlite")]
    latency_s: Annotated[float, describe("How long it took.", 0.001, unit="s")]
    note: NotRequired[Annotated[str, describe("What a person should mend, though it works.", "remove the others")]]
