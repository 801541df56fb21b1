"""Waves of programs on one head: they begin a few at a time, are watched together, and are ended before the next."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

import httpx

from tests.zoo.answers import SIX
from tests.zoo.compare import Checked, State, check_job, check_really
from tests.zoo.head import Head, NotHere, start_head
from tests.zoo.model import Program, Words, World
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


def run_world(
    world: World, programs: Sequence[Program], limit_s: float | None, short: bool, say: Say,
    done: Callable[[list[Result]], None],
) -> None:  # fmt: skip
    """Run these programs on a head of their own, wave by wave; ``done`` is told the results of each wave."""
    left_out: Words = (SIX,) if short else ()
    try:
        with start_head(world, limit_s) as head:
            for wave in dict.fromkeys(program.wave for program in programs):
                done(run_wave(head, [each for each in programs if each.wave == wave], left_out, say))
    except NotHere as error:
        done([_begin_result(each, limit_s or 0.0, left_out=str(error)) for each in programs])


def run_wave(head: Head, programs: Sequence[Program], left_out: Words, say: Say) -> list[Result]:
    """Begin, watch, ask and end these programs."""
    began, stage = time.monotonic(), Stage(head)
    watch = Watch(stage, left_out)
    ids = [step_id for program in programs for step_id in list_ids(program)]
    say(f"{head.world} {programs[0].wave}: {', '.join(program.name for program in programs)}")
    try:
        with ThreadPoolExecutor(BEGIN_AT_ONCE) as pool:
            begun = {program.name: pool.submit(_begin, stage, watch, program) for program in programs}
            _watch_until_settled(watch, begun, head.limit_s, left_out)
        results = [_conclude(stage, watch, program, begun[program.name], left_out) for program in programs]
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
    made = [each.id for each in program.steps if hasattr(each, "id") and not hasattr(each, "state")]
    return list(dict.fromkeys([*made, *(job.id for job in program.jobs)]))


def _begin(stage: Stage, watch: Watch, program: Program) -> None:
    """Where a program has the same job twice, only what comes after the last step is watched."""
    again = len({step.id for step in program.steps if hasattr(step, "id")}) < len(
        [step for step in program.steps if hasattr(step, "id") and not hasattr(step, "state")]
    )
    if not again:
        for job in program.jobs:
            watch.add(job)
    stage.perform(program)
    if again:
        for job in program.jobs:
            watch.add(job)


def _watch_until_settled(
    watch: Watch, begun: dict[str, Future[None]], limit_s: float, left_out: Words
) -> None:  # fmt: skip
    deadline: float | None = None
    while True:
        began = time.monotonic()
        # The next look is soon; a moment without one is missed by its own name.
        with suppress(httpx.HTTPError, KeyError, ValueError):
            watch.look()
        if all(future.done() for future in begun.values()):
            deadline = deadline or time.monotonic() + LONGEST_WAIT_S + 8 * limit_s
            now_s = time.time()
            checked = [
                each
                for id, job in watch.jobs.items()
                for each in check_job(job, watch.traces[id], limit_s, now_s, left_out)
            ]
            if all(each.state is not State.WAITING for each in checked) or time.monotonic() > deadline:
                return
        time.sleep(max(0.2, LOOK_EACH_S - (time.monotonic() - began)))


def _conclude(stage: Stage, watch: Watch, program: Program, begun: Future[None], left_out: Words) -> Result:
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
        checked += check_job(job, trace, limit_s, time.time(), left_out)
        not_proven += [f"{job.id}: {each}" for each in check_really(job.really, stage.tables.read_facts(job.id))]
    asked = [] if failed else stage.ask(program.asks)
    return Result(
        program.name, program.about, program.twin, compute_fingerprint(program, limit_s), tuple(checked),
        tuple(asked), tuple(not_proven), failed,
        traces={job.id: render_trace(watch.traces[job.id]) for job in program.jobs if job.id in watch.traces},
    )  # fmt: skip


def _begin_result(program: Program, limit_s: float, left_out: str) -> Result:
    return Result(program.name, program.about, program.twin, compute_fingerprint(program, limit_s), left_out=left_out)
