"""Why something failed, as its diagnosis says: in so few words that a report has room for them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from serve_app.report.words import clean_line, parse_number

# The code of a diagnosis that found nothing (``jobs.diagnosis.catalogue``, which brings more than a terminal needs).
UNKNOWN = "unknown"
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


def build_cause(brief: Any) -> Cause | None:
    """From a ``schemas.diagnosis.BriefView``; None where nothing was found, or nothing was looked for."""
    if not isinstance(brief, Mapping) or brief.get("code") is None:
        return None
    evidence = brief.get("evidence")
    return Cause(
        code=clean_line(brief["code"], _WORDS_CHARS),
        title=clean_line(brief.get("title") or "", _WORDS_CHARS),
        certainty=clean_line(brief.get("certainty") or "", _WORDS_CHARS),
        evidence=_render_evidence(evidence) if isinstance(evidence, Mapping) else "",
        advice=clean_line(brief.get("advice") or "", _QUOTE_CHARS),
    )


def parse_cause(content: Any) -> Cause | None:
    """A cause from its JSON; an application of before the diagnosis has none."""
    return None if content is None else Cause(**{each.name: str(content[each.name]) for each in fields(Cause)})


def render_cause(cause: Cause) -> str:
    """Code, title and certainty, as ``app.import-error (certain): a module is missing``."""
    if cause.code == UNKNOWN:
        return "not known"
    sure = f" ({cause.certainty})" if cause.certainty else ""
    return f"{cause.code}{sure}: {cause.title}" if cause.title else f"{cause.code}{sure}"


def _render_evidence(evidence: Mapping[str, Any]) -> str:
    place = clean_line(evidence.get("source") or "", _WORDS_CHARS)
    line = parse_number(evidence.get("line"))
    where = f"{place}, line {line:.0f}" if line else place
    # Of a sentence of Ray that goes on in other lines, as "…failed with exit code 1," before the log's.
    return f"{where}: {clean_line(evidence.get('quote') or '', _QUOTE_CHARS).rstrip(',')}"
