"""What is said of a cause: the words of its code, or better ones where the evidence has more to tell. Pure.

Title, sentence and advice are chosen here; code, certainty and evidence never are. Of a job that was killed for memory
is told who took it: one greedy process is another matter than many (Ray's messages are read by ``log.memory_kills``).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from serve_app.jobs.diagnosis.catalogue.catalogue import Code
from serve_app.jobs.diagnosis.engine.clues import Clue
from serve_app.jobs.diagnosis.engine.field_rules import is_failure
from serve_app.jobs.diagnosis.engine.scan import Scan
from serve_app.jobs.diagnosis.log.memory_kills import MemoryKill, MemoryUser
from serve_app.jobs.diagnosis.models import DRIVER_PROCESS, Belongings, EvidenceLine, Fields
from serve_app.redaction import redact

OOM, KILLED = "memory.node-oom", "memory.process-killed"
PYTHON = "python-cannot-start"
_PYTHON_LINE = re.compile(r"\b\d{1,5}: (?:exec: )?(?P<path>/\S+): (?P<why>[^\[]+)")
_VANISHED = "Its process vanished: the worker table does not tell a crash from a kill, or from os._exit."
_WHO_ENDED_IT = (
    "If it says nothing, look for who ended it; the kernel's out-of-memory killer says so in `dmesg` of its node."
)
# Ray has Python write where native code of a driver crashes (``faulthandler``), so its output tells of that.
_VANISHED_SUBMITTED = ("Look at the end of its log: a crash in native code says so there.", _WHO_ENDED_IT)
_VANISHED_STARTED = (
    "Look at its output where it was started, since Ray keeps no log of it: a crash in native code says so there, and "
    "its exit code tells what Ray does not know (139 or 134: a crash; 137: killed).",
    _WHO_ENDED_IT,
    "Submit it as a Ray job (`ray job submit`) to have its log and exit code kept.",
)
_KEEP_REFERENCES = "Keep the references that `.remote()` returns, and `ray.get` them before the program ends."
_BY_HAND = "Ray keeps no output of a driver that was started by hand: look where it was started, or submit it as a job."

# One process is the greedy one when it has so much of what is used, or so many times as much as the next.
_GREEDY_SHARE = 0.5
_GREEDY_TIMES = 2.0
_MOST_NAME_CHARS = 80


@dataclass(frozen=True, slots=True)
class Phrases:
    """A title (a noun phrase), a sentence, and advice in the order in which to try it."""

    title: str
    sentence: str
    advice: tuple[str, ...]


NO_LOG = Phrases(
    "no log that is known",
    "No log that I know: it has neither lines of Ray nor those of a program's output.",
    (
        "Hand over the driver's log (`ray job logs`), the output of the program, or what a tool of Ray printed.",
        "Of a page or a ticket, copy the log itself.",
    ),
)


def describe_found(
    code: Code, primary: Clue, scans: Sequence[Scan], fields: Fields, evidence: Sequence[EvidenceLine]
) -> Phrases:
    """The words for a cause. Where the end of the driver's process is all the ``evidence``, nothing tells of memory."""
    signature = primary.signature
    own = primary.advice or (signature.advice if signature is not None else ())
    sentence = primary.sentence or (signature.sentence if signature is not None else "") or code.sentence
    said = Phrases(code.title, sentence, own or code.advice)
    if code.code == OOM and not own:
        memory = _describe_memory(primary, scans, fields.own, code.title)
        if memory is not None:
            said = replace(memory, advice=memory.advice or code.advice)
    elif primary.rule == PYTHON and (found := _PYTHON_LINE.search(primary.evidence.quote)) is not None:
        sentence = f"Its Python cannot be started: {found['path']}: {found['why'].strip()}."
        said = replace(said, title="a Python that cannot be started", sentence=sentence)
    elif code.code == KILLED and not own and {each.source for each in evidence} == {DRIVER_PROCESS}:
        advice = _VANISHED_STARTED if fields.type == "DRIVER" else _VANISHED_SUBMITTED
        said = Phrases("a driver that vanished", _VANISHED, advice)
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


def _describe_memory(primary: Clue, scans: Sequence[Scan], own: Belongings | None, title: str) -> Phrases | None:
    """Who was killed, who took most, and what helps then (no advice: the code's stands); None where Ray did not say.
    ``title``: the code's.
    """
    kill = _find_kill(primary, scans)
    if kill is None:
        return None
    biggest = kill.users[0] if kill.users else max(kill.killed, key=lambda each: each.used_gb, default=None)
    if biggest is None:
        return None
    mine = _find_own(kill, own)
    name = _shorten(biggest.name)
    size = f"{biggest.used_gb:.2f} GB"
    whose = _describe_owner(biggest, own)
    begin = primary.sentence or _describe_single(kill, mine)
    node = f" (its node: {kill.used_gb:g} of {kill.limit_gb:g} GB used)"
    sentence = f"{begin}; the biggest: {name} {size}{whose}{node}."
    return Phrases(f"{title}: {name} took {size}", sentence, _choose_advice(kill, biggest, mine, whose))


def _find_kill(primary: Clue, scans: Sequence[Scan]) -> MemoryKill | None:
    """The message that the clue is part of, or else the last that there is."""
    here = scans[primary.source].kills if primary.source >= 0 else ()
    within = [kill for kill in here if kill.line <= primary.line <= kill.end]
    every = within or list(here) or [kill for scan in scans for kill in scan.kills]
    return every[-1] if every else None


def _find_own(kill: MemoryKill, own: Belongings | None) -> MemoryUser | None:
    """Of those that were killed the one that is the job's, the biggest of several."""
    killed = sorted(kill.killed, key=lambda each: -each.used_gb)
    if own is not None:
        killed = [each for each in killed if each.job_id in own.ids or each.pid in own.pids]
    elif kill.task is not None:
        killed = [each for each in killed if each.name == kill.task]
    return killed[0] if killed else None


def _describe_single(kill: MemoryKill, mine: MemoryUser | None) -> str:
    if mine is None:
        return "Ray killed a worker because its node ran out of memory"
    return f"Ray killed {_shorten(mine.name)} ({mine.used_gb:.2f} GB) because its node ran out of memory"


def _describe_owner(user: MemoryUser, own: Belongings | None) -> str:
    is_other = own is not None and user.job_id is not None and user.job_id not in own.ids
    return f" of job {user.job_id}" if is_other else ""


def _choose_advice(kill: MemoryKill, biggest: MemoryUser, mine: MemoryUser | None, whose: str) -> tuple[str, ...]:
    name, size = _shorten(biggest.name), f"{biggest.used_gb:.2f} GB"
    if whose:
        victim = "" if mine is None else f"; {_shorten(mine.name)}, which was killed, had {mine.used_gb:.2f} GB"
        return (
            f"Tell the owner of job {biggest.job_id}: its {name} took {size}{victim}.",
            "Until it takes less, keep this job off that node, or run it when the other does not run.",
        )
    if not biggest.is_worker:
        return (
            f"What took most is no task: {name}, {size}. Move its work into tasks, or end it.",
            "Say what each task needs (`memory=` in bytes), so that Ray starts no more than fit.",
        )
    same = [each for each in kill.users if each.name == biggest.name]
    if len(same) > 1:
        together = sum(each.used_gb for each in same)
        return (
            f"Run fewer at a time: {len(same)} of {name} took {together:.2f} GB together. Ask for more `num_cpus`, or "
            "for `memory`, in each.",
            "Make batches and objects smaller, or read them in pieces.",
            "Use nodes with more memory; `RAY_memory_usage_threshold` moves the limit of Ray's monitor.",
        )
    if not _is_greedy(kill, biggest):
        return ()
    return (
        f"Let {name} hold less, read in pieces or be split: it alone took {size}, so fewer at a time does not help.",
        f"Or give it a node with more memory, and ask for it: `memory={int(biggest.used_gb * 1_000_000_000)}` or more.",
        "`RAY_memory_usage_threshold` moves the limit of Ray's monitor; `max_retries=0` ends what goes in circles.",
    )


def _is_greedy(kill: MemoryKill, biggest: MemoryUser) -> bool:
    sizes: dict[int, float] = defaultdict(float)
    for each in kill.users:
        sizes[each.pid] = max(sizes[each.pid], each.used_gb)
    others = [size for pid, size in sizes.items() if pid != biggest.pid]
    if biggest.used_gb >= _GREEDY_SHARE * kill.used_gb:
        return True
    return bool(others) and biggest.used_gb >= _GREEDY_TIMES * max(others)


def _shorten(name: str) -> str:
    return redact(name)[:_MOST_NAME_CHARS]
