"""One signature: how one cause shows itself in one line. Data: ``signatures/`` holds them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from serve_app.jobs.diagnosis.models import Certainty, SourceKind


class ClueRole(StrEnum):
    """How a line stands to the failure. A later role never outranks an earlier one."""

    CAUSE = "cause"  # says what went wrong first: nothing else explains it
    WRAPPER = "wrapper"  # a failure that carries another one: the inner one is the cause, if it can be seen
    SYMPTOM = "symptom"  # a consequence: look for what caused it
    WARNING = "warning"  # harmless in most jobs; a cause only where the job failed or hangs and nothing else tells why
    BENIGN = "benign"  # looks bad and is not: never a candidate, and no failure word in this line counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """``contains``: fixed texts, one of which is in the line (case counts; at least five characters: they are what is
    searched for in the whole log, so the rarer the better). ``pattern``: a regular expression that is then searched in
    that line, its colours and ``(name pid=…)`` prefix removed; ``unless``: one that must not be found in it. ``kinds``:
    sources in which it counts; empty for all. ``advice`` and ``docs`` replace those of the code. ``matches``: at least
    two lines that it must find; ``near_misses``: at least one that it must not.
    """

    name: str
    code: str
    contains: tuple[str, ...]
    pattern: str = ""
    unless: str = ""
    role: ClueRole = ClueRole.CAUSE
    certainty: Certainty = Certainty.CERTAIN
    kinds: tuple[SourceKind, ...] = ()
    advice: tuple[str, ...] = ()
    docs: str = ""
    matches: tuple[str, ...]
    near_misses: tuple[str, ...]
