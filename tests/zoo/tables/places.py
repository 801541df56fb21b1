"""What waits for resources: another finding than a hang, or none; and what a job's page says that it holds."""

from __future__ import annotations

from tests.zoo.answers import at_limit, at_three_limits, run_clean, runs, stick, within
from tests.zoo.model import ANY, Answer, Job, Moment, Origin, Program, Really, Span, Wait
from tests.zoo.writing import submit

WAVE = "places"
STUCK_ALERTS = ("stuck-job:warning", "stuck-job:critical")


def _never(code: str, says: tuple[str, ...]) -> Answer:
    """A running job that asks for what no node has: told, whichever rule tells it."""
    return Answer("running", ("WARN", "BAD"), ANY, code=code, alert=ANY, says=says)


PROGRAMS = (
    Program(
        "place-pending",
        "a submission that asks for what no node has",
        (submit("place-pending", "ends.py", "well", entrypoint_resources={"unobtainium": 1}),),
        (
            Job(
                "place-pending",
                (
                    within(45, Answer("pending", "WARN", "pending-infeasible-yet", code=ANY, says=("unobtainium",))),
                    Moment(
                        "one minute",
                        Origin.START,
                        Span(58),
                        Span(100),
                        Answer(
                            "pending",
                            "BAD",
                            "pending-infeasible",
                            code=ANY,
                            alert="stuck-job:critical",
                            says=("unobtainium",),
                        ),
                    ),
                ),
                really=Really(statuses=("PENDING",)),
            ),
        ),
        wave=WAVE,
    ),
    Program(
        "place-busy",
        "a submission that waits for what another job uses, and a task that does",
        (
            submit("place-holder", "hangs.py", "licence 100000"),
            Wait("place-holder", "licence", 60),
            submit("place-busy", "ends.py", "well", entrypoint_resources={"licence": 2}),
            submit("place-task", "hangs.py", "licence 1"),
        ),
        (
            Job(
                "place-busy",
                (
                    within(45, Answer("pending", "OK", "pending", code=ANY, says=("licence",))),
                    Moment(
                        "one minute",
                        Origin.START,
                        Span(58),
                        Span(100),
                        Answer("pending", "WARN", "pending-busy", code=ANY, says=("licence",)),
                    ),
                ),
                never=("BAD", "UNKNOWN"),
                really=Really(statuses=("PENDING",)),
            ),
            run_clean("place-task", really=Really(statuses=("RUNNING",), unfinished=(("license_work", 1),))),
        ),
        twin="place-pending",
        wave=WAVE,
    ),
    Program(
        "place-never-task",
        "a running job whose task asks for what no node has",
        (submit("place-never-task", "hangs.py", "unplaceable task"),),
        (
            Job(
                "place-never-task",
                (at_limit(_never("scheduling.infeasible", ("unobtainium",))),),
                really=Really(statuses=("RUNNING",), unfinished=(("step", 1),)),
            ),
        ),
        wave=WAVE,
    ),
    Program(
        "place-never-actor",
        "a running job whose actor asks for what no node has",
        (submit("place-never-actor", "hangs.py", "unplaceable actor"),),
        (
            Job(
                "place-never-actor",
                (
                    within(60, Answer("running", "WARN", "actors-infeasible", code=ANY, alert=ANY, says=("500 CPU",))),
                    at_limit(stick("WARN", "scheduling.infeasible", ("500 CPU",))),
                    at_three_limits(stick("BAD", "scheduling.infeasible", ("500 CPU",))),
                ),
                really=Really(statuses=("RUNNING",)),
            ),
        ),
        wave=WAVE,
    ),
    Program(
        "place-never-group",
        "a running job whose placement group fits nowhere",
        (submit("place-never-group", "hangs.py", "unplaceable group"),),
        (
            Job(
                "place-never-group",
                (at_limit(_never("scheduling.placement-group", ())),),
                really=Really(statuses=("RUNNING",)),
            ),
        ),
        wave=WAVE,
    ),
    Program(
        "place-holds",
        "its page says what it holds, and what of it is unfinished",
        (submit("place-holds", "hangs.py", "holder 100000"),),
        (
            Job(
                "place-holds",
                (
                    Moment(
                        "once",
                        Origin.JOINED,
                        Span(),
                        Span(60),
                        Answer("running", "OK", "running", holds=(("CPU", 0.5),), unfinished=("hold",)),
                    ),
                    runs(Span(limits=2.0)),
                ),
                clean=True,
                really=Really(statuses=("RUNNING",), unfinished=(("hold", 1),)),
            ),
        ),
        twin="rest-task",
        wave=WAVE,
    ),
)
