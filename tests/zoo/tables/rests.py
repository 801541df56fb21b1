"""Asleep, polling, blocked or busy, where Ray has nothing to prove it by; most twins cannot be told apart in time."""

from __future__ import annotations

from tests.zoo.answers import (
    SUCCEEDED,
    at_limit,
    at_six_limits,
    at_three_limits,
    before_limit,
    end_clean,
    ended,
    get_still,
    hide,
    rest,
    run_clean,
    runs,
    within,
)
from tests.zoo.model import Answer, Job, Moment, Origin, Program, Really, Span, Submit, Wait
from tests.zoo.writing import shell, submit

WAVE = "rests"
RUNNING = Really(statuses=("RUNNING",))


def _rest(name: str, about: str, words: str, short: bool = False, says: tuple[str, ...] = ()) -> Program:
    job = get_still(name, RUNNING, says)
    return Program(name, about, (submit(name, "rests.py", words),), (job,), wave=WAVE, short=short)


USUAL = tuple(f"rest-usual-{number:02}" for number in range(20))
NAMED = (("job_name", "zoo-usual"),)

PROGRAMS = (
    _rest("rest-nap", "the driver sleeps", "nap", short=True),
    Program(
        "rest-nap-twin",
        "the driver sleeps as well, but not for ever: until then the same answer",
        (submit("rest-nap-twin", "rests.py", "nap {4 limits}"),),
        (
            Job(
                "rest-nap-twin",
                (before_limit(), at_limit(rest()), ended(SUCCEEDED)),
                never=("BAD", "UNKNOWN"),
                really=Really(statuses=("SUCCEEDED",), exit_code=0),
            ),
        ),
        twin="rest-nap",
        wave=WAVE,
        short=True,
    ),
    _rest("rest-task", "a worker sleeps in its task", "task nap", short=True, says=("rest",)),
    _rest("rest-lock", "a thread waits for a lock that it holds", "lock", short=True),
    _rest("rest-deadlock", "two threads, each with the lock that the other wants", "deadlock", short=True),
    _rest("rest-socket", "it reads from a connection that stays silent", "task socket", short=True),
    _rest("rest-pipe", "it reads from a pipe that nobody writes to", "pipe", short=True),
    _rest("rest-poll", "it looks for a file again and again, and says nothing", "poll", short=True),
    Program(
        "rest-poll-twin",
        "it looks for a file again and again, and says so: its log grows",
        (submit("rest-poll-twin", "rests.py", "poll still-nothing"),),
        (run_clean("rest-poll-twin"),),
        twin="rest-poll",
        wave=WAVE,
        short=True,
    ),
    Program(
        "rest-busy",
        "the driver computes for a third of the time and says nothing: a note, no more",
        (submit("rest-busy", "rests.py", "busy"),),
        (
            Job(
                "rest-busy",
                (runs(Span(limits=3.5)), at_three_limits(Answer("running", "OK", "running", motion="busy"))),
                clean=True,
                really=RUNNING,
            ),
        ),
        wave=WAVE,
        short=True,
    ),
    Program(
        "rest-busy-twin",
        "it computes beyond the limit, and comes to its end",
        (submit("rest-busy-twin", "rests.py", "busy {1.6 limits}"),),
        (end_clean("rest-busy-twin"),),
        twin="rest-busy",
        wave=WAVE,
        short=True,
    ),
    Program(
        "rest-busy-task",
        "a worker computes and says nothing",
        (submit("rest-busy-task", "rests.py", "task busy"),),
        (run_clean("rest-busy-task"),),
        twin="rest-task",
        wave=WAVE,
    ),
    Program(
        "rest-declared",
        "the driver sleeps, within the length that it declared",
        (submit("rest-declared", "rests.py", "nap", {"seedcore.expected_duration_s": "100000"}),),
        (
            Job(
                "rest-declared",
                (
                    before_limit(),
                    runs(Span(limits=5.5), Answer("running", ("OK", "WARN"), ("running", "resting"))),
                ),
                never=("BAD", "UNKNOWN"),
                really=RUNNING,
            ),
        ),
        twin="rest-late",
        wave=WAVE,
    ),
    Program(
        "rest-late",
        "the driver sleeps beyond the length that it declared",
        (submit("rest-late", "rests.py", "nap", {"seedcore.expected_duration_s": "{1.5 limits}"}),),
        (
            Job(
                "rest-late",
                (
                    before_limit(),
                    at_three_limits(Answer("running", "WARN", ("late", "resting"), alert="stuck-job:warning")),
                ),
                never=("BAD", "UNKNOWN"),
                really=RUNNING,
            ),
        ),
        wave=WAVE,
    ),
    Program(
        "rest-deadline",
        "the driver sleeps beyond its deadline",
        (submit("rest-deadline", "rests.py", "nap", {"seedcore.deadline_s": "5"}),),
        (
            Job(
                "rest-deadline",
                (within(60, Answer("running", "BAD", "past-deadline", alert="past-deadline:critical")),),
                really=RUNNING,
            ),
        ),
        wave=WAVE,
    ),
    Program(
        "rest-paused",
        "a process that was stopped on purpose (SIGSTOP): as it is, without a word",
        (submit("rest-paused", "rests.py", "stop"),),
        (run_clean("rest-paused"),),
        wave=WAVE,
    ),
    Program(
        "rest-unseen",
        "a command that never joins Ray and says nothing",
        (Submit("rest-unseen", "sleep 100000"),),
        (
            Job(
                "rest-unseen",
                (before_limit(), at_limit(hide()), at_three_limits(hide()), at_six_limits(hide("stuck-job:warning"))),
                joins=False,
                never=("BAD", "UNKNOWN"),
                really=RUNNING,
            ),
        ),
        wave=WAVE,
        short=True,
    ),
    Program(
        "rest-unseen-twin",
        "a command that never joins Ray, and says something each second",
        (Submit("rest-unseen-twin", shell("rest-unseen-twin", "while true; do date; sleep 1; done")),),
        (run_clean("rest-unseen-twin", joins=False),),
        twin="rest-unseen",
        wave=WAVE,
        short=True,
    ),
    Program(
        "rest-usual",
        "a command that runs far longer than its 20 earlier runs, of the same name, did",
        (
            *(Submit(id, "true", NAMED) for id in USUAL),
            *(Wait(id) for id in USUAL),
            Submit("rest-usual", "sleep 100000", NAMED),
        ),
        (
            Job(
                "rest-usual",
                (
                    Moment(
                        "two minutes",
                        Origin.START,
                        Span(5),
                        Span(150),
                        Answer(
                            "running",
                            "WARN",
                            ("unusually-long", "unseen"),
                            alert="stuck-job:warning",
                            says=("earlier",),
                        ),
                    ),
                ),
                joins=False,
                never=("BAD", "UNKNOWN"),
                really=RUNNING,
            ),
        ),
        wave="usual",
    ),
)
