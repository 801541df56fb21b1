"""Waves of programs on one head: they begin a few at a time, are watched together, and are ended before the next."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

import httpx

from tests.zoo.answers import SIX
from tests.zoo.compare import Checked, State, check_job, check_really
from tests.zoo.head import Head, NotHere, start_head
from tests.zoo.model import Drive, Program, Submit, Words, World
from tests.zoo.observation import render_trace
from tests.zoo.results import Result, compute_fingerprint
from tests.zoo.steps import Stage, StepFailed
from tests.zoo.watch import Watch

Say = Callable[[str], None]
# So many begin at once: two cores start a driver in some seconds.
BEGIN_AT_ONCE = 3
LOOK_EACH_S = 2.0
# A wave that has not settled by then has a program whose origin never came.
LONGEST_WAIT_S = 240.0
CLAIM_WAIT_S = 100.0


@dataclass(frozen=True, slots=True)
class Manner:
    """What of the programs is looked at: moments are left out, or all of them but what Ray's own tables show.

    ``together``: all of a head at once, but those that take memory; some minutes less, and busier cores.
    """

    left_out: Words = ()
    claims_only: bool = False
    together: bool = False


SHORT_LIMIT_S = 30.0
SHORT = Manner((SIX,), together=True)


def run_world(
    world: World, programs: Sequence[Program], limit_s: float | None, manner: Manner, say: Say,
    done: Callable[[list[Result]], None],
) -> None:  # fmt: skip
    """Run these programs on a head of their own, wave by wave; ``done`` is told the results of each wave."""
    try:
        with start_head(world, limit_s) as head:
            for wave in plan_waves(programs, manner.together and world is not World.MEMORY):
                done(run_wave(head, wave, manner, say))
    except NotHere as error:
        done([_begin_result(each, limit_s or 0.0, left_out=str(error)) for each in programs])


def plan_waves(programs: Sequence[Program], together: bool) -> list[list[Program]]:
    """Those that are watched together, in the order of the tables."""
    if together:
        return [list(programs)]
    names = dict.fromkeys(program.wave for program in programs)
    return [[each for each in programs if each.wave == name] for name in names]


def run_wave(head: Head, programs: Sequence[Program], manner: Manner, say: Say) -> list[Result]:
    """Begin, watch, ask and end these programs."""
    began, stage = time.monotonic(), Stage(head)
    watch = Watch(stage, manner.left_out)
    ids = [step_id for program in programs for step_id in list_ids(program)]
    say(f"{head.world} {programs[0].wave}: {', '.join(program.name for program in programs)}")
    try:
        with ThreadPoolExecutor(BEGIN_AT_ONCE) as pool:
            begun = {program.name: pool.submit(_begin, stage, watch, program) for program in programs}
            _watch_until_settled(stage, watch, begun, manner)
        results = [_conclude(stage, watch, program, begun[program.name], manner) for program in programs]
    finally:
        stage.clear(ids)
        watch.close()
        stage.close()
    for result in results:
        say(f"  {result.name}: {result.state}")
    say(f"  ({time.monotonic() - began:.0f} s)")
    return results


def list_ids(program: Program) -> list[str]:
    """Every job that a program makes."""
    made = [each.id for each in program.steps if isinstance(each, Submit | Drive)]
    return list(dict.fromkeys([*made, *(job.id for job in program.jobs)]))


def _begin(stage: Stage, watch: Watch, program: Program) -> None:
    """Where a program makes the same job twice, only what comes after the last step is watched."""
    made = [each.id for each in program.steps if isinstance(each, Submit)]
    again = len(set(made)) < len(made)
    if not again:
        for job in program.jobs:
            watch.add(job)
    stage.perform(program)
    if again:
        for job in program.jobs:
            watch.add(job)


def _watch_until_settled(stage: Stage, watch: Watch, begun: dict[str, Future[None]], manner: Manner) -> None:
    limit_s, deadline = stage.head.limit_s, None
    while True:
        began = time.monotonic()
        # The next look is soon; a moment without one is missed by its own name.
        with suppress(httpx.HTTPError, KeyError, ValueError):
            watch.look()
        if all(future.done() for future in begun.values()):
            longest_s = CLAIM_WAIT_S if manner.claims_only else LONGEST_WAIT_S + 8 * limit_s
            deadline = deadline or time.monotonic() + longest_s
            if _is_settled(stage, watch, manner) or time.monotonic() > deadline:
                return
        time.sleep(max(0.2, LOOK_EACH_S - (time.monotonic() - began)))


def _is_settled(stage: Stage, watch: Watch, manner: Manner) -> bool:
    jobs = list(watch.jobs.values())
    if manner.claims_only:
        return not any(check_really(job.really, stage.tables.read_facts(job.id)) for job in jobs)
    now_s, limit_s = time.time(), stage.head.limit_s
    return all(
        each.state is not State.WAITING
        for job in jobs
        for each in check_job(job, watch.traces[job.id], limit_s, now_s, manner.left_out)
    )


def _conclude(stage: Stage, watch: Watch, program: Program, begun: Future[None], manner: Manner) -> Result:
    limit_s, failed = stage.head.limit_s, ""
    try:
        begun.result()
    except (StepFailed, httpx.HTTPError, OSError) as error:
        failed = f"{type(error).__name__}: {error}"
    checked: list[Checked] = []
    not_proven: list[str] = []
    for job in program.jobs:
        trace = watch.traces.get(job.id)
        if trace is None:
            continue
        checked += [] if manner.claims_only else check_job(job, trace, limit_s, time.time(), manner.left_out)
        not_proven += [f"{job.id}: {each}" for each in check_really(job.really, stage.tables.read_facts(job.id))]
    asked = [] if failed or manner.claims_only else stage.ask(program.asks)
    return Result(
        program.name, program.about, program.twin, compute_fingerprint(program, limit_s), tuple(checked),
        tuple(asked), tuple(not_proven), failed,
        traces={job.id: render_trace(watch.traces[job.id]) for job in program.jobs if job.id in watch.traces},
    )  # fmt: skip


def _begin_result(program: Program, limit_s: float, left_out: str) -> Result:
    return Result(program.name, program.about, program.twin, compute_fingerprint(program, limit_s), left_out=left_out)
