"""The verdict on looks at a job: moving, waiting, stuck, or not known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from serve_app.jobs.judging.pending import BUILDING, BUSY, INFEASIBLE, NOT_KNOWN, Waiting
from serve_app.jobs.models import Evidence, Known, PastRuns
from serve_app.jobs.progress.models import GroupFacts, HeldReference, Look, State, Stillness, Subject
from serve_app.jobs.progress.stacks import shown
from serve_app.jobs.progress.verdict import stillness_of
from tests.unit.jobs.progress.examples import (
    DOWN,
    DUMP,
    T0,
    actor,
    driver,
    held,
    log,
    look,
    processor,
    stack,
    task,
    work,
)

STARTED = Subject(started=True, age_s=200.0)
NOWHERE = held("p", GPU=1)
WAITING_GROUP = GroupFacts("g1", "", "PENDING", ({"CPU": 9.0},), "INFEASIBLE")
GONE_GROUP = {"groups": Known((WAITING_GROUP,))}
GETS = (task("r", pid=5), Known((HeldReference(5, "p"),)))
STACK = shown(DUMP)
GETTING = task("t", "RUNNING_IN_RAY_GET")


def pair(apart_s: float = 3.0, **sections: Any) -> tuple[Look, ...]:
    """Two looks that see the same; what is a pair of sections differs between them."""
    first = {name: value[0] if isinstance(value, list) else value for name, value in sections.items()}
    second = {name: value[1] if isinstance(value, list) else value for name, value in sections.items()}
    return look(0, **first), look(apart_s, **second)


def verdict(looks: tuple[Look, ...], subject: Subject = STARTED) -> tuple[str, str | None]:
    told = stillness_of(looks, subject)
    return told.state.value, told.code


BUSY_CPU = [processor(-5, 1.0), processor(0, 3.0)]
QUIET = {"work": work(), "log": log(10, -100)}


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        # Nothing that is unfinished can ever be placed.
        (pair(work=work(NOWHERE)), ("stuck", "scheduling.infeasible")),
        (pair(work=work(NOWHERE, task("d", "PENDING_ARGS_AVAIL"))), ("stuck", "scheduling.infeasible")),
        (pair(work=work(NOWHERE, GETS[0]), references=GETS[1]), ("stuck", "scheduling.infeasible")),
        (pair(actors=Known((actor("a", GPU=1),))), ("stuck", "scheduling.infeasible")),
        (pair(actors=Known((actor("a", "RESTARTING", GPU=1),))), ("stuck", "scheduling.infeasible")),
        (pair(**GONE_GROUP), ("stuck", "scheduling.placement-group")),
        (pair(work=work(held("p", **{"CPU": 1.0, "node:1": 1.0}))), ("stuck", "scheduling.node-affinity")),
        # Ray and programs print while they wait.
        (pair(work=work(NOWHERE), log=[log(1), log(9)]), ("stuck", "scheduling.infeasible")),
        # Ray does not tell of nodes or of tasks; nothing is concluded from that.
        (pair(work=work(NOWHERE), nodes=DOWN), ("waiting", None)),
        (pair(work=[DOWN, work(NOWHERE)]), ("unknown", "scheduling.infeasible")),
        # One look does not tell whether it moves.
        (pair(work=work(NOWHERE))[:1], ("unknown", "scheduling.infeasible")),
        (pair(1.0, work=work(NOWHERE)), ("unknown", "scheduling.infeasible")),
        # Something else of it can still be placed, is in use, or works.
        (pair(work=work(NOWHERE, held("q", CPU=4)), free=Known({})), ("waiting", "scheduling.infeasible")),
        (pair(work=work(held("q", CPU=4)), free=Known({})), ("waiting", "scheduling.waiting")),
        (pair(work=work(held("q", CPU=4))), ("waiting", None)),
        (pair(actors=Known((actor("a", CPU=4),)), free=Known({})), ("waiting", "scheduling.waiting")),
        (pair(work=[work(NOWHERE, FINISHED=1), work(NOWHERE, FINISHED=2)]), ("moving", None)),
        (pair(work=work(NOWHERE), processor=BUSY_CPU), ("moving", None)),
        (pair(work=work(NOWHERE, task("r", pid=5)), references=DOWN, log=log(1, 0)), ("unknown", None)),
        (pair(work=work(NOWHERE, task("r", pid=5)), references=DOWN), ("stuck", "scheduling.infeasible")),
        # Work is done.
        (pair(work=[work(task("r")), work(task("s"))]), ("moving", None)),
        (pair(processor=BUSY_CPU), ("moving", None)),
        (pair(log=[log(1), log(2)]), ("moving", None)),
        (pair(stacks=[stack(STACK), stack(STACK.replace(":25", ":26"))]), ("moving", None)),
        # The driver has gone, and Ray has not noticed.
        (pair(driver=driver(alive=False)), ("stuck", None)),
        (pair(driver=driver(node_alive=False)), ("stuck", "node.died")),
        (pair(driver=driver(alive=False))[:1], ("unknown", None)),
        (pair(driver=[driver(), driver(alive=False)]), ("unknown", None)),
        (pair(driver=driver(alive=False), log=[log(1), log(2)]), ("moving", None)),
        # Nothing is in its way, and it does nothing: for long, or not.
        (pair(**QUIET), ("stuck", None)),
        (pair(work=work(task("r", changed_at=T0)), log=log(10, -100)), ("unknown", None)),
        (pair(work=work(), log=log(10, -50)), ("unknown", None)),
        (pair(**QUIET)[:1], ("unknown", None)),
        (pair(**QUIET, processor=DOWN), ("unknown", None)),
        (pair(**QUIET, processor=DOWN, stacks=stack(STACK)), ("stuck", "app.get-timeout")),
        (pair(**QUIET, stacks=stack(STACK)), ("stuck", "app.get-timeout")),
        (pair(**QUIET, stacks=stack(STACK, "worker of t")), ("stuck", None)),
        (pair(work=work(GETTING, replace(GETTING, task_id="u"))), ("stuck", "app.get-timeout")),
        (pair(work=work(GETTING, task("w"))), ("stuck", None)),
        # A notebook that nobody uses: it has no log and no task, and is not stuck.
        (pair(100.0, work=work(), log=DOWN, stacks=stack(STACK)), ("unknown", None)),
        # Only its log is known: a program that does not use Ray may compute in silence.
        (pair(driver=driver(alive=None, pid=None), work=DOWN, processor=DOWN), ("unknown", None)),
    ],
)  # fmt: skip
def test_verdicts(looks: tuple[Look, ...], expected: tuple[str, str | None]) -> None:
    assert verdict(looks) == expected


SECTIONS = ("driver", "work", "actors", "groups", "log", "processor", "references", "stacks", "nodes", "free")
UNREACHED = dict.fromkeys(SECTIONS, DOWN)


def test_no_action_follows_from_what_cannot_be_reached() -> None:
    told = stillness_of(pair(**UNREACHED), STARTED)
    assert (told.state, told.code, told.advice) == (State.UNKNOWN, None, ())
    assert told.sentence == "Whether it moves is not known: nothing that was asked tells."
    assert {signal.says for signal in told.signals} == {"unknown"}
    assert any("Ray did not answer" in each for each in told.settle)


@pytest.mark.parametrize("name", sorted(UNREACHED))
def test_what_one_source_does_not_tell_never_makes_it_stuck(name: str) -> None:
    """Each section in turn is unknown: the verdict stays, or becomes a doubt."""
    for looks in (pair(work=work(NOWHERE), **{}), pair(**QUIET)):
        state, _ = verdict(tuple(_without(each, name) for each in looks))
        assert state in ("stuck", "unknown", "waiting")
    moving = pair(work=[work(task("r")), work(task("s"))], log=[log(1), log(2)])
    assert verdict(tuple(_without(each, name) for each in moving))[0] == "moving"


def _without(seen: Look, name: str) -> Look:
    return look((seen.at - T0).total_seconds(), **{**{each: getattr(seen, each) for each in UNREACHED}, name: DOWN})


def test_what_is_long_is_not_stuck_for_that() -> None:
    long = Subject(started=True, age_s=200.0, past=PastRuns(30, 3.0))
    assert verdict(pair(work=work(task("r", changed_at=T0)), log=log(10, 0)), long) == ("unknown", None)
    told = stillness_of(pair(work=work(task("r", changed_at=T0)), log=log(10, 0)), long)
    assert "longer than nearly all runs" in told.settle[-1]
    assert verdict(pair(processor=BUSY_CPU), long) == ("moving", None)


@pytest.mark.parametrize(
    ("probe", "expected"),
    [((True, "It serves."), ("moving", None)), ((False, "Nothing answers."), ("unknown", None))],
)
def test_a_service_is_judged_by_its_probe(probe: tuple[bool, str], expected: tuple[str, str | None]) -> None:
    """However old, quiet and short of things it is."""
    old = Subject(started=True, age_s=9e6, past=PastRuns(30, 3.0), probe=probe)
    looks = pair(work=work(NOWHERE), log=log(10, -9_999))
    assert verdict(looks, old) == expected
    assert [signal.name for signal in stillness_of(looks, old).signals] == ["probe"]


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        (INFEASIBLE, "scheduling.infeasible"),
        (BUSY, "scheduling.waiting"),
        (BUILDING, None),
        (NOT_KNOWN, None),
    ],
)
def test_what_has_not_started_waits(rule: str, code: str | None) -> None:
    why = Waiting(rule, "It waits.", (Evidence(rule, "actor table", "needs 2 CPU"),))
    told = stillness_of((look(),), Subject(started=False, age_s=7.0, waiting=why))
    assert (told.state, told.code, told.sentence) == (State.WAITING, code, "It waits.")
    (signal,) = told.signals
    assert (signal.name, signal.value, signal.detail) == ("start", 7.0, "needs 2 CPU")
    assert bool(told.advice) is (code is not None)
    assert bool(told.settle) is (code is None)


def test_what_has_not_started_and_is_not_listed() -> None:
    told = stillness_of((look(),), Subject(started=False))
    assert (told.state, told.code) == (State.WAITING, None)
    assert told.sentence == "It has not started; Ray does not tell why."


def test_there_is_no_advice_where_there_is_doubt() -> None:
    assert stillness_of(pair(work=work(NOWHERE))[:1], STARTED).advice == ()
    assert stillness_of(pair(work=work(NOWHERE)), STARTED).advice != ()


def test_sentences() -> None:
    held_up = stillness_of(
        pair(work=work(NOWHERE, GETS[0], task("d", "PENDING_ARGS_AVAIL")), references=GETS[1]), STARTED
    )
    assert held_up.sentence == (
        "It runs, but nothing of it can go on: task p needs 1 GPU; the most that one node has: 0 GPU. "
        "What waits for it: 2 tasks."
    )
    moving = stillness_of(pair(work=[work(NOWHERE, FINISHED=1), work(NOWHERE, FINISHED=3)]), STARTED)
    assert moving.sentence == (
        "It moves: task-states: tasks changed state in 3 s. But task p needs 1 GPU; the most that one node has: 0 GPU."
    )
    assert moving.settle == moving.advice == ()


def test_as_json() -> None:
    told: Stillness = stillness_of(pair(**GONE_GROUP), STARTED)
    plain = told.as_json()
    assert list(plain) == ["state", "code", "sentence", "signals", "settle", "advice"]
    assert plain["advice"][0].startswith("Make the bundles so small")
    (group,) = (each for each in plain["signals"] if each["name"] == "placement-groups")
    assert group == {
        "name": "placement-groups",
        "value": 1,
        "unit": "placement groups",
        "at": look(3).at.isoformat(timespec="milliseconds"),
        "since": None,
        "says": "still",
        "detail": "placement group g1 is PENDING with 9 CPU; the most that one node has: 4 CPU "
        "(scheduling.placement-group)",
    }
