"""Every program of the zoo, by noun."""

from __future__ import annotations

from tests.zoo.model import Program
from tests.zoo.tables import (
    again,
    circles,
    exit_zero,
    hangs,
    lines,
    memory,
    places,
    requests,
    rests,
    rim,
    serving,
)

PROGRAMS: tuple[Program, ...] = (
    *memory.PROGRAMS,
    *circles.PROGRAMS,
    *hangs.PROGRAMS,
    *rests.PROGRAMS,
    *serving.PROGRAMS,
    *places.PROGRAMS,
    *exit_zero.PROGRAMS,
    *lines.PROGRAMS,
    *again.PROGRAMS,
    *requests.PROGRAMS,
    *rim.PROGRAMS,
)
"""The order in which they are run: those that need a head of their own first."""


def find_program(name: str) -> Program:
    """The one with this name; raises ``KeyError``."""
    return next(each for each in PROGRAMS if each.name == name)
