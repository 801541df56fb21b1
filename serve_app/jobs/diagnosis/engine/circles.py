"""Tasks that fail again and again: attempts are evidence whatever the log says after them. Pure.

Ray retries a task whose worker it killed for memory without limit, so that nothing but the attempts ever tells. Of a
job of this cluster the task table counts them, task by task; of a file, Ray's messages to the job's driver, by name.
"""

from __future__ import annotations

from collections.abc import Sequence

from serve_app.jobs.diagnosis.catalogue.catalogue import ClueRole
from serve_app.jobs.diagnosis.engine.aftermath import Aftermath, is_done
from serve_app.jobs.diagnosis.engine.clues import Clue
from serve_app.jobs.diagnosis.engine.scan import Scan
from serve_app.jobs.diagnosis.log.memory_kills import MemoryKill
from serve_app.jobs.diagnosis.models import Certainty, EvidenceLine, Fields, SourceKind
from serve_app.jobs.motion import LEAST_TURNS

RULE = "attempts"
_OOM = "memory.node-oom"
# What the type of a failed attempt proves (``ErrorType`` of src/ray/protobuf/common.proto).
_CODES = {"OUT_OF_MEMORY": _OOM, "NODE_DIED": "node.died", "WORKER_DIED": "memory.process-killed"}
# That a worker or a node is gone does not say why, whoever counted how often.
_NO_PROOF = frozenset({"node.died", "memory.process-killed"})
_KILLED = {_OOM: "was killed for memory", "node.died": "lost its node", "memory.process-killed": "lost its worker"}


def find_circles(fields: Fields, scans: Sequence[Scan], endings: Sequence[Aftermath]) -> list[Clue]:
    """A clue for each task that went in circles: first what was seen while it ran, then the one with most attempts."""
    if fields.own is not None and not fields.own.gaps:
        found = _list_known(fields)
    else:
        found = [
            clue
            for number, (scan, ending) in enumerate(zip(scans, endings, strict=True))
            if scan.kind in (SourceKind.DRIVER, SourceKind.FILE)
            for clue in _list_in_log(number, scan, ending, runs=fields.status == "RUNNING")
        ]
    seen = _list_seen(fields)
    # Who watched it read its workers' last words, of which the type of an attempt tells nothing.
    same = [clue for clue in found if any(clue.code == each.code for each in seen)]
    return [*(same or seen), *(clue for clue in found if clue not in same)]


def describe_circle(code: str, name: str, count: int, *, is_endless: bool, runs: bool) -> str:
    """What happened to a task, or happens still."""
    limit = " without limit" if is_endless else ""
    return f"Task {name} {_KILLED.get(code, 'failed')} {count} times and {'is' if runs else 'was'} retried{limit}"


def _list_known(fields: Fields) -> list[Clue]:
    own = fields.own
    return [
        _build_clue(
            code,
            EvidenceLine(f"task {each.task_id}", 0, f"{each.name}: {each.error_type} in {each.count} attempts"),
            describe_circle(code, each.name, each.count, is_endless=code == _OOM, runs=fields.status == "RUNNING"),
        )
        for each in (() if own is None else own.repeated)
        if (code := _CODES.get(each.error_type)) is not None
    ]


def _list_seen(fields: Fields) -> list[Clue]:
    """Of a job that did not fail, what was seen of it while it ran: Ray forgets attempts, and whom they were of."""
    circle = fields.circle
    if fields.status not in ("STOPPED", None) or circle is None or not circle.is_explained:
        return []
    name = f"{circle.what} {circle.id}"
    evidence = EvidenceLine(name, 0, f"{circle.name}: {circle.last_error or circle.error_type}")
    what = {"task": "Task", "actor": "Actor", "job": "Most of all tasks"}[circle.what]
    failed = "was restarted" if circle.what == "actor" else "failed"
    return [_build_clue(circle.code, evidence, f"{what} {circle.name} {failed} {circle.failures} times")]


def _list_in_log(number: int, scan: Scan, ending: Aftermath, *, runs: bool) -> list[Clue]:
    kills: dict[str, list[MemoryKill]] = {}
    for kill in scan.kills:
        if kill.task is not None:
            kills.setdefault(kill.task, []).append(kill)
    found = []
    for name, of_task in sorted(kills.items(), key=lambda item: -len(item[1])):
        last = of_task[-1]
        if len(of_task) < LEAST_TURNS or _ends_well(ending, last.end):
            continue
        sentence = describe_circle(_OOM, name, len(of_task), is_endless=last.is_endless, runs=runs)
        evidence = EvidenceLine(scan.name, last.line, last.quote)
        found.append(_build_clue(_OOM, evidence, sentence, source=number, line=last.line, end=last.end))
    return found


def _ends_well(ending: Aftermath, line: int) -> bool:
    """Whether the log ends after this line with words of the program that it is done."""
    last = ending.find_last_ordinary()
    return last is not None and last[0] > line and is_done(last[1])


def _build_clue(
    code: str, evidence: EvidenceLine, sentence: str, *, source: int = -1, line: int = 0, end: int = 0
) -> Clue:
    is_sure = code not in _NO_PROOF
    return Clue(
        code,
        ClueRole.CAUSE if is_sure else ClueRole.SYMPTOM,
        Certainty.CERTAIN if is_sure else Certainty.POSSIBLE,
        RULE,
        evidence,
        source,
        SourceKind.RAY,
        line,
        end,
        is_circle=True,
        sentence=sentence,
    )
