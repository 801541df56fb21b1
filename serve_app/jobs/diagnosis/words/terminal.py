"""A diagnosis in words for a terminal. Pure; the texts in it are redacted already."""

from __future__ import annotations

import textwrap

from serve_app.jobs.diagnosis.models import Diagnosis, DiagnosisState, EvidenceLine, ProgramError
from serve_app.redaction import strip_controls

_WIDTH = 110
_CLASS = {
    "transient": "trying again can help",
    "permanent": "trying again does not help until something is changed",
    "capacity": "helps once the cluster has room",
    "needs-second-signal": "look for a second signal before acting",
    "intended": "ended on purpose",
}


def render_diagnosis(diagnosis: Diagnosis, name: str) -> str:
    """The diagnosis of ``name`` as lines for people."""
    lines = [f"{name}: {_render_headline(diagnosis)}", *_wrap_text(diagnosis.sentence, "  ")]
    lines += _render_reading(diagnosis)
    if diagnosis.evidence:
        lines += ["  evidence", *(f"    {_quote(each)}" for each in diagnosis.evidence)]
    if len(diagnosis.chain) > 1:
        codes = " <- ".join(step.code for step in diagnosis.chain)
        lines += _wrap_text(f"from what was seen to its cause: {codes}", "  ")
    if diagnosis.advice:
        lines += ["  what to do"]
        for number, advice in enumerate(diagnosis.advice, 1):
            lines += _wrap_text(f"{number}. {advice}", "    ")
    if diagnosis.docs:
        lines.append(f"  see {diagnosis.docs}")
    told_already = {step.code for step in diagnosis.chain}
    others = [each for each in diagnosis.candidates if each.code not in told_already]
    if others:
        lines += ["  not it"]
        for candidate in others:
            lines += _wrap_text(f"{candidate.code}: {candidate.why_not}", "    ")
    for sentence in diagnosis.unavailable:
        lines += _wrap_text(f"not looked at: {sentence}", "  ")
    return strip_controls("\n".join(lines))


def _render_headline(diagnosis: Diagnosis) -> str:
    if diagnosis.code is None:
        return diagnosis.title
    parts = [diagnosis.code, *([str(diagnosis.certainty)] if diagnosis.certainty else [])]
    if diagnosis.state is DiagnosisState.WAITING:
        parts.append("it waits")
    if diagnosis.code_class is not None:
        parts.append(_CLASS[diagnosis.code_class])
    return f"{diagnosis.title} ({'; '.join(parts)})"


def _render_reading(diagnosis: Diagnosis) -> list[str]:
    """What the text was taken for, and the place in the user's own code."""
    lines = _wrap_text(f"read as: {', '.join(diagnosis.read_as)}", "  ") if diagnosis.read_as else []
    if diagnosis.program is not None:
        lines += _wrap_text(_describe_program(diagnosis.program), "  ")
    return lines


def _describe_program(program: ProgramError) -> str:
    place = "only code of libraries is seen"
    if program.file is not None:
        line = "" if program.line is None else f", line {program.line}"
        place = f"{program.file}{line}" + ("" if program.function is None else f", in {program.function}")
    call = "" if program.call is None else f"; it ended in {program.call}"
    return f"the program's own place: {place}{call} ({program.kind})"


def _quote(evidence: EvidenceLine) -> str:
    place = f"{evidence.source}:{evidence.line}" if evidence.line else evidence.source
    return f"{place}: {' '.join(evidence.quote.split())[:240]}"


def _wrap_text(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=indent + "  ") or []
