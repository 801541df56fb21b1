"""Whose line is it? What Ray writes into every driver's log: the job that caused it, and one that only heard of it."""

from __future__ import annotations

from tests.zoo.answers import JOIN_S, SUCCEEDED, ended, fail
from tests.zoo.model import ANY, Answer, Job, Moment, Origin, Program, Really, Span, Wait
from tests.zoo.writing import submit, submit_shell

WAVE = "lines"
INFEASIBLE = "scheduling.infeasible"
RAYS = "No available node types can fulfill resource request"
ASKS = ("RUNNING", "PENDING")

CAUSED = Job(
    "line-asks",
    (
        Moment(
            "told",
            Origin.JOINED,
            Span(),
            Span(60.0, 2.0),
            Answer("running", ("WARN", "BAD"), ANY, code=ANY, alert=ANY, says=("500 CPU",)),
        ),
    ),
    really=Really(statuses=("RUNNING",), log=(RAYS,)),
)

PROGRAMS = (
    Program(
        "line-infeasible",
        "one job asks for 500 CPUs; the other asks for nothing unusual, and its ray.get times out",
        (
            submit("line-asks", "hangs.py", "unplaceable actor"),
            Wait("line-asks", "log", 90, RAYS),
            submit("line-hears", "ends.py", "timeout 40"),
        ),
        (
            CAUSED,
            Job(
                "line-hears",
                (ended(fail("app.get-timeout")),),
                really=Really(statuses=("FAILED",), exit_code=1, log=(RAYS,)),
            ),
        ),
        wave=WAVE,
    ),
    Program(
        "line-infeasible-twin",
        "it only hears of the 500 CPUs of another job, and succeeds",
        (
            submit("line-asks-too", "hangs.py", "unplaceable actor"),
            Wait("line-asks-too", "log", 90, RAYS),
            submit("line-hears-well", "ends.py", "talk 45"),
        ),
        (
            Job(
                "line-hears-well",
                (ended(SUCCEEDED, 120),),
                clean=True,
                really=Really(statuses=("SUCCEEDED",), exit_code=0, log=(RAYS,)),
            ),
        ),
        twin="line-infeasible",
        wave=WAVE,
    ),
    Program(
        "line-echo",
        "it prints Ray's sentence itself, with a request of nobody, and fails for a reason of its own",
        (submit("line-echo", "ends.py", f"echo \"{RAYS}s {{'CPU': 77.0}}\""),),
        (
            Job(
                "line-echo",
                (ended(fail("app.exception", says=("price",))),),
                really=Really(statuses=("FAILED",), exit_code=1, log=("77.0",)),
            ),
        ),
        wave=WAVE,
    ),
    Program(
        "line-crash",
        "the workers of one job crash again and again; another that runs meanwhile fails for a reason of its own",
        (
            submit("line-crashes", "circles.py", "task segfault"),
            Wait("line-crashes", "attempts", 90),
            submit_shell("line-calm", "{python} {here}/ends.py well zoo; sleep 10; {python} {here}/ends.py boom zoo"),
        ),
        (
            Job(
                "line-calm",
                (ended(fail("app.exception", says=("no labels",)), JOIN_S),),
                really=Really(statuses=("FAILED",), exit_code=1),
            ),
        ),
        wave=WAVE,
    ),
)
