"""What is asked of single jobs: followed logs (F4), stops (F10), figures (F16), and small things (F17)."""

from __future__ import annotations

from tests.zoo.answers import ended, fail
from tests.zoo.model import ANY, Answer, Ask, Cycle, Job, Program, Really, Submit, Wait, World
from tests.zoo.writing import drive, submit

WAVE = "asks"
FOLLOW = "/jobs/ask-head/logs?follow=true"

PROGRAMS = (
    Program(
        "ask-head",
        "HEAD on a followed log ends at once and holds no place (F4)",
        (Submit("ask-head", "sleep 100000"), Wait("ask-head", "running")),
        asks=(
            Ask("HEAD", FOLLOW, status=200, most_s=5, times=12),
            Ask("GET", "/jobs?limit=1", status=200, most_s=5, times=20),
        ),
        wave=WAVE,
    ),
    Program(
        "ask-stop-failed",
        "stop of a job that ended by an exception: over (F10)",
        (submit("ask-stop-failed", "ends.py", "boom"), Wait("ask-stop-failed")),
        (Job("ask-stop-failed", (ended(fail("app.exception", says=("no labels",))),)),),
        (Ask("POST", "/jobs/ask-stop-failed/stop", {"wait_s": 3}, status=200),),
        wave=WAVE,
    ),
    Program(
        "ask-stop-term",
        "stop of a job that ends by an exception because of it: over, by the second call at the latest (F10)",
        (submit("ask-stop-term", "ends.py", "term"), Wait("ask-stop-term", "log", 60, "waits")),
        asks=(
            Ask("POST", "/jobs/ask-stop-term/stop", {"wait_s": 15}, status=(200, 202)),
            Ask("POST", "/jobs/ask-stop-term/stop", {"wait_s": 15}, status=200, within_s=30),
        ),
        wave=WAVE,
    ),
    Program(
        "ask-stop",
        "a job that was stopped on request is as it should be",
        (
            submit("ask-stop", "rests.py", "nap"),
            Wait("ask-stop", "log", 60, "begins"),
            Ask("POST", "/jobs/ask-stop/stop", {"wait_s": 15}, status=200),
        ),
        (
            Job(
                "ask-stop",
                (ended(Answer("stopped", "OK", "stopped", code=ANY, diagnosis="app.stopped")),),
                clean=True,
                really=Really(statuses=("STOPPED",)),
            ),
        ),
        wave=WAVE,
    ),
    Program(
        "ask-figures",
        "the rate is told of those whose end is proven (F16)",
        (
            drive("ask-figures-well", "ends.py", "well 1"),
            Submit("ask-figures-good", "true"),
            Submit("ask-figures-bad", "false"),
            Wait("ask-figures-good"),
            Wait("ask-figures-bad"),
        ),
        (Job("ask-figures-bad", (ended(fail(ANY)),)),),
        (Ask("GET", "/report?format=text", says=("proven",), within_s=60),),
        wave=WAVE,
    ),
    Program(
        "ask-small",
        "a body that is gzip; a time whose + was not escaped (F17)",
        (),
        asks=(
            Ask("POST", "/jobs", b"\x1f\x8b\x08\x00zoo", (("Content-Encoding", "gzip"),), status=415),
            Ask("GET", "/jobs?since=2026-11-27T13:00:00+05:30", status=422, says=("%2B",)),
        ),
        wave=WAVE,
    ),
    Program(
        "ask-restart",
        "an orderly end and a new begin of the application are no loss, and the report stays as it was (F8)",
        (Cycle(),),
        asks=(
            Ask("GET", "/jobs?outcome=lost", lacks=('"outcome":"lost"',), after_s=330),
            Ask("GET", "/report?format=text", says=("Verdict: OK",), within_s=30),
        ),
        world=World.RESTART,
        wave=WAVE,
    ),
)
