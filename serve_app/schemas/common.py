"""What many answers have in common: when it was seen and what is missing in it, and the words of verdicts."""

from __future__ import annotations

from typing import Annotated

from typing_extensions import TypedDict

from organs.fields import Time, allow_words, closed, describe, describe_time
from serve_app.outcomes import JobOutcome, Verdict

OutcomeWord = Annotated[str, allow_words(*JobOutcome)]
VerdictWord = Annotated[str, allow_words(*Verdict)]
# Those of `queries.windows`, which is above this layer; a test holds that they are the same.
WindowWord = Annotated[str, allow_words("5m", "1h", "24h", "7d")]

Amounts = Annotated[
    dict[str, float],
    describe(
        "Amounts by name of the resource, as Ray counts them; `memory` and `object_store_memory` in bytes.",
        {"CPU": 8.0, "memory": 17179869184.0},
        unit="units of the resource",
    ),
]
"""Ray's logical resources."""


@closed
class Nothing(TypedDict):
    """An empty object: the part that would have told was not there."""


@closed
class ObservedAnswer(TypedDict):
    """What every answer from observation says of itself."""

    as_of: Annotated[Time, describe_time("When this was seen.")]
    degraded: Annotated[
        list[str],
        describe("What is missing or old in the answer, a sentence each; empty: nothing.", ["actor table: no answer"]),
    ]


@closed
class PagedAnswer(ObservedAnswer):
    """A page of a longer list."""

    next_cursor: Annotated[
        str | None,
        describe("`cursor` of the next page; null: this is the last.", "WzE3Njk4NjA4MDAwMDAwMDAsIjAxMDAwMDAwIl0="),
    ]


@closed
class WholeAnswer(ObservedAnswer):
    """A list that is always one page."""

    next_cursor: Annotated[None, describe("Always null: all are in one page.", None)]
