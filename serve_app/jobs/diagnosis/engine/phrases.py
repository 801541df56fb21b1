"""What is said of a cause: the words of its code, or better ones where the evidence has more to tell. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from serve_app.jobs.diagnosis.catalogue.catalogue import Code
from serve_app.jobs.diagnosis.engine.clues import Clue
from serve_app.jobs.diagnosis.engine.field_rules import is_failure
from serve_app.jobs.diagnosis.engine.memory_words import describe_memory
from serve_app.jobs.diagnosis.engine.scan import Scan
from serve_app.jobs.diagnosis.models import DRIVER_PROCESS, Fields

OOM = "memory.node-oom"
PYTHON = "python-cannot-start"
_PYTHON_LINE = re.compile(r"\b\d{1,5}: (?:exec: )?(?P<path>/\S+): (?P<why>[^\[]+)")
_VANISHED = (
    "The driver's process ended without a word to Ray: it was killed, it crashed in native code, or it ended itself "
    "(`os._exit`). Nothing tells which."
)
_VANISHED_ADVICE = (
    "Look at what started it: its exit code tells what Ray does not know (139 or 134: a crash; 137: killed).",
    "Run it with `PYTHONFAULTHANDLER=1`, which writes the line of Python at which native code crashes.",
    "If it was killed, look for the kernel's out-of-memory killer (`dmesg`), and for who sends SIGKILL.",
)
_KEEP_REFERENCES = "Keep the references that `.remote()` returns, and `ray.get` them before the program ends."
_BY_HAND = "Ray keeps no output of a driver that was started by hand: look where it was started, or submit it as a job."


@dataclass(frozen=True, slots=True)
class Phrases:
    """A title (a noun phrase), a sentence, and advice in the order in which to try it."""

    title: str
    sentence: str
    advice: tuple[str, ...]


def describe_found(code: Code, primary: Clue, scans: Sequence[Scan], fields: Fields) -> Phrases:
    """The words for a cause."""
    signature = primary.signature
    own = primary.advice or (signature.advice if signature is not None else ())
    sentence = primary.sentence or (signature.sentence if signature is not None else "") or code.sentence
    said = Phrases(code.title, sentence, own or code.advice)
    if code.code == OOM and not own:
        memory = describe_memory(primary, scans, fields.own, code.title)
        if memory is not None:
            said = Phrases(memory.title, memory.sentence, memory.advice or code.advice)
    elif primary.rule == PYTHON and (found := _PYTHON_LINE.search(primary.evidence.quote)) is not None:
        sentence = f"Its Python cannot be started: {found['path']}: {found['why'].strip()}."
        said = replace(said, title="a Python that cannot be started", sentence=sentence)
    elif primary.evidence.source == DRIVER_PROCESS and not own:
        said = Phrases("a driver that vanished", _VANISHED, _VANISHED_ADVICE)
    said = replace(said, sentence=f"{said.sentence.rstrip('.')}.")
    if primary.doubt:
        said = replace(said, sentence=f"{said.sentence} Whether it is this job's cannot be told: {primary.doubt}.")
    return said


def describe_unknown(code: Code, fields: Fields, *, is_quoted: bool, has_left: bool) -> Phrases:
    """The words for what is not known. ``is_quoted``: lines are shown; ``has_left``: a driver left before its tasks."""
    left = 0 if fields.own is None else fields.own.left
    sentence, advice = code.sentence, code.advice
    if not is_quoted:
        advice = (_BY_HAND,) if fields.type == "DRIVER" else code.advice[1:]
    if left or has_left:
        count = f"{left} of its tasks" if left else "Tasks of it"
        were_left = f"{count} had not finished when its driver left"
        sentence = (
            f"{sentence} {were_left}." if is_failure(fields) else f"{were_left}; nothing else tells of a failure."
        )
        advice = (_KEEP_REFERENCES, *advice)
    return Phrases(code.title, sentence, advice)
