"""Waits for ever that Ray's own tables prove (M2), each with a twin that waits as well, and gets it."""

from __future__ import annotations

from tests.zoo.answers import end_clean, get_still, get_stuck
from tests.zoo.model import Program, Really
from tests.zoo.writing import submit

WAVE = "hangs"


def _waits(*tasks: str) -> Really:
    return Really(statuses=("RUNNING",), unfinished=tuple((task, 1) for task in tasks))


def _hang(name: str, about: str, words: str, tasks: tuple[str, ...], says: tuple[str, ...], short: bool) -> Program:
    job = get_stuck(name, says, _waits(*tasks))
    return Program(name, about, (submit(name, "hangs.py", words),), (job,), wave=WAVE, short=short)


def _rest(name: str, about: str, words: str, tasks: tuple[str, ...], says: tuple[str, ...], short: bool) -> Program:
    """What waits for a call that runs: that it will never return shows in no table of Ray's."""
    job = get_still(name, _waits(*tasks), says)
    return Program(name, about, (submit(name, "hangs.py", words),), (job,), wave=WAVE, short=short)


def _twin(of: str, about: str, words: str, short: bool) -> Program:
    name = f"{of}-twin"
    return Program(
        name, about, (submit(name, "hangs.py", words),), (end_clean(name),), twin=of, wave=WAVE, short=short
    )  # fmt: skip


PROGRAMS = (
    _hang(
        "hang-cycle",
        "two actors, each in a call that waits for the other",
        "cycle yes",
        ("Left.meet", "Right.answer"),
        ("Left.meet", "Right.answer"),
        True,
    ),
    _twin("hang-cycle", "one asks the other, which answers, a round each second", "cycle no 12", True),
    _hang(
        "hang-self",
        "an actor that asks itself",
        "self",
        ("Narcissus.look",),
        ("Narcissus.look", "Narcissus.see"),
        False,
    ),
    _hang(
        "hang-barrier",
        "three are expected at a barrier, and one never comes (M2)",
        "barrier never",
        ("Rank.barrier", "Barrier.arrive"),
        ("Rank.barrier",),
        True,
    ),
    _twin("hang-barrier", "the third comes late", "barrier 8", True),
    _rest(
        "hang-producer",
        "a consumer waits for a producer that is idle, since nobody told it",
        "shelf 0 take",
        ("Consumer.drain", "Shelf.take"),
        ("Shelf.take",),
        True,
    ),
    _twin("hang-producer", "the producer lays one there each second", "shelf 12 take", True),
    _rest(
        "hang-gone",
        "a consumer waits for a producer that was killed",
        "shelf 0 gone",
        ("Consumer.drain", "Shelf.take"),
        ("Shelf.take",),
        False,
    ),
    _rest(
        "hang-get", "the driver's ray.get of what never comes", "shelf 0 get", ("Shelf.take",), ("Shelf.take",), False
    ),
    _rest(
        "hang-wait",
        "the driver's ray.wait, without a time-out, for what never comes",
        "shelf 0 wait",
        ("Shelf.take",),
        ("Shelf.take",),
        True,
    ),
    _twin("hang-wait", "ray.wait with a time-out, again and again, saying so", "patient 12", True),
    Program(
        "hang-steps-twin",
        "task after task is finished beyond the limit, and it never says a word",
        (submit("hang-steps-twin", "hangs.py", "steps {3.2 limits}"),),
        (end_clean("hang-steps-twin"),),
        twin="hang-get",
        wave=WAVE,
    ),
)
