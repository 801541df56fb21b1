"""The short stage of the zoo: every kind of circle and hang with its twin, under a limit of some seconds."""

from __future__ import annotations

import functools
import sys

import pytest

from tests.zoo.model import World
from tests.zoo.results import NOT_PROVEN, OK, Result
from tests.zoo.run import SHORT, SHORT_LIMIT_S, run_world
from tests.zoo.tables import PROGRAMS

SHORT_PROGRAMS = tuple(program for program in PROGRAMS if program.short)


@functools.cache
def run_short(world: World) -> dict[str, Result]:
    """All short programs of a world, at once; the first test that asks for one of them waits for it."""
    found: list[Result] = []
    here = [program for program in SHORT_PROGRAMS if program.world is world]
    run_world(world, here, SHORT_LIMIT_S, SHORT, functools.partial(print, file=sys.stderr), found.extend)
    return {result.name: result for result in found}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", [program.name for program in SHORT_PROGRAMS])
def test_it_is_told_for_what_it_is(name: str) -> None:
    world = next(program.world for program in SHORT_PROGRAMS if program.name == name)
    result = run_short(world)[name]
    if result.left_out:
        pytest.skip(result.left_out)
    if result.state == NOT_PROVEN and world is World.MEMORY:
        # Whom Ray kills depends on what else uses the machine's memory: nothing is said of the answers then.
        pytest.skip(f"others used this machine's memory: {'; '.join(result.not_proven)}")
    assert result.state == OK, "\n".join(result.list_wrong())
