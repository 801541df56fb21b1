"""Why something failed, as its diagnosis says: in so few words that a report has room for them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from serve_app.report.words import number, plain

_QUOTE_CHARS = 300
_WORDS_CHARS = 200


@dataclass(frozen=True)
class Cause:
    """``evidence``: one line, with where it stands; empty where there is none. ``advice``: what to change first."""

    code: str
    title: str
    certainty: str
    evidence: str
    advice: str


def cause_of(brief: Any) -> Cause | None:
    """From ``diagnosis.answers.brief``; None where nothing was found, or nothing was looked for."""
    if not isinstance(brief, Mapping) or brief.get("code") is None:
        return None
    evidence = brief.get("evidence")
    return Cause(
        code=plain(brief["code"], _WORDS_CHARS),
        title=plain(brief.get("title") or "", _WORDS_CHARS),
        certainty=plain(brief.get("certainty") or "", _WORDS_CHARS),
        evidence=_line(evidence) if isinstance(evidence, Mapping) else "",
        advice=plain(brief.get("advice") or "", _QUOTE_CHARS),
    )


def cause_from(content: Any) -> Cause | None:
    """A cause from its JSON; an application of before the diagnosis has none."""
    return None if content is None else Cause(**{each.name: str(content[each.name]) for each in fields(Cause)})


def cause_line(cause: Cause) -> str:
    """Code, title and certainty, as ``app.import-error (certain): a module is missing``."""
    sure = f" ({cause.certainty})" if cause.certainty else ""
    return f"{cause.code}{sure}: {cause.title}" if cause.title else f"{cause.code}{sure}"


def _line(evidence: Mapping[str, Any]) -> str:
    place = plain(evidence.get("source") or "", _WORDS_CHARS)
    line = number(evidence.get("line"))
    where = f"{place}, line {line:.0f}" if line else place
    return f"{where}: {plain(evidence.get('quote') or '', _QUOTE_CHARS)}"
