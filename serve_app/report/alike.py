"""Troubles, and which of them are one: what a person is told once, with a count. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from serve_app.queries.job_names import shorten_id
from serve_app.report.causes import Cause
from serve_app.report.words import parse_time

ORDER = ("BAD", "WARN", "UNKNOWN", "OK")
MAX_EXAMPLES = 5
_ALIKE_CHARS = 600
# Groups within a verdict, in the order in which to act: what fires, what many depend on, single jobs, what is not seen.
FIRING, CLUSTER, JOBS, NOT_SEEN = range(4)
# What differs between two jobs that failed alike: ids, long numbers, seconds. Exit codes and line numbers are kept.
_PARTICULAR = re.compile(r"\b(?=\w{0,80}\d)(?=\w{0,80}[A-Za-z_])\w+|\b\d{4,}\b|\b\d+(?:\.\d+)?(?= s\b)")


@dataclass(frozen=True)
class ReportFinding:
    """Something a person should look at: how bad, what, why, and what to do.

    ``at``: when the newest of it began or ended, RFC 3339. ``count`` above 1: so many alike, ``examples`` name some.
    ``cause``: what the diagnosis of it says, when one was made.
    """

    verdict: str
    subject: str
    sentence: str
    action: str
    at: str | None = None
    count: int = 1
    examples: tuple[str, ...] = ()
    cause: Cause | None = None


# What a trouble is about: a type, of a job its session, and a name; the same whoever tells of it.
About: TypeAlias = tuple[str, str, str]
NOTHING_NAMED: About = ("", "", "")


@dataclass(frozen=True)
class Trouble:
    """A finding before it is told. ``noun`` is for several alike, None if it stays alone; ``began``: of a run before
    with the id, of which no alert speaks and which is found by when it began. ``reason``: the fact that all have in
    common that are wrong for one reason, whoever tells of them.
    """

    finding: ReportFinding
    group: int
    about: About = NOTHING_NAMED
    noun: str | None = None
    rule: str = ""
    began: str = ""
    reason: str = ""


def merge_alike(newest_first: Sequence[Trouble]) -> list[Trouble]:
    """Many that have the same reason, or else the same cause, are one with a count; the newest speaks for all."""
    alike: dict[tuple[object, ...], list[Trouble]] = {}
    for place, each in enumerate(newest_first):
        cause = generalize(each.finding.sentence)
        code = None if each.finding.cause is None else each.finding.cause.code
        key = (each.finding.verdict, each.group, each.noun, each.rule, code, cause if each.noun else place)
        fact = (each.finding.verdict, each.rule, each.reason)
        alike.setdefault(fact if each.reason else key, []).append(each)
    return [many[0] if len(many) == 1 else _merge(many) for many in alike.values()]


def generalize(sentence: str) -> str:
    """A sentence without what differs between two that are alike."""
    return _PARTICULAR.sub("#", sentence[:_ALIKE_CHARS])


def _merge(many: Sequence[Trouble]) -> Trouble:
    first = many[0]
    finding = replace(
        first.finding,
        subject=f"{len(many)} {first.noun}",
        count=len(many),
        examples=tuple(name_run(each.about[-1], each.began) for each in many[:MAX_EXAMPLES]),
    )
    return replace(first, finding=finding, group=min(each.group for each in many))


def get_newest_s(trouble: Trouble) -> float:
    """By this they are sorted, the newest first; those without a time are the oldest."""
    time = parse_time(trouble.finding.at)
    return 0.0 if time is None else -time.timestamp()


def rank_trouble(trouble: Trouble) -> tuple[int, int, float]:
    """The place in the order in which to act."""
    return ORDER.index(trouble.finding.verdict), trouble.group, get_newest_s(trouble)


def name_run(id: str, began: str) -> str:
    """A run, as a report names it."""
    return f"{shorten_id(id)}@{began}" if began else shorten_id(id)
