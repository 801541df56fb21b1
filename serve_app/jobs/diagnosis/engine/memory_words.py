"""Who took the memory of a node, said of a job that was killed for it: one greedy process is another matter than many.

Pure; what it reads are Ray's messages (``log.memory_kills``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from serve_app.jobs.diagnosis.engine.clues import Clue
from serve_app.jobs.diagnosis.engine.scan import Scan
from serve_app.jobs.diagnosis.log.memory_kills import MemoryKill, MemoryUser
from serve_app.jobs.diagnosis.models import Belongings
from serve_app.redaction import redact

# One process is the greedy one when it has so much of what is used, or so many times as much as the next.
_GREEDY_SHARE = 0.5
_GREEDY_TIMES = 2.0
_MOST_NAME_CHARS = 80


@dataclass(frozen=True, slots=True)
class MemoryWords:
    """What is said in place of the code's own words; no ``advice``: the code's stands."""

    title: str
    sentence: str
    advice: tuple[str, ...]


def describe_memory(primary: Clue, scans: Sequence[Scan], own: Belongings | None, title: str) -> MemoryWords | None:
    """Who was killed, who took most, and what helps then; None where Ray did not say. ``title``: the code's."""
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
    return MemoryWords(f"{title}: {name} took {size}", sentence, _choose_advice(kill, biggest, mine, whose))


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
