"""What runs on because it serves, or waits for a person: by evidence, or by a kind that was declared."""

from __future__ import annotations

from tests.zoo.answers import SIX, run_clean, runs
from tests.zoo.model import Answer, Drive, Job, Moment, Origin, Program, Really, Span, Submit
from tests.zoo.writing import submit

WAVE = "rests"
SERVICE = {"zoo": "service"}
"""What the declared kind ``model-server`` (``must_end: false``) is told by."""

TYPED = "import ray; ray.init()\n"
_RUNS = Answer("running", "OK", ("running", "server-runs"))
DECLARED_RUNS = (
    runs(Span(limits=3.5), _RUNS),
    Moment(SIX, Origin.JOINED, Span(limits=3.5), Span(limits=6.5), _RUNS, holds=True),
)

PROGRAMS = (
    Program(
        "serve-http",
        "the driver listens on a port and answers HTTP",
        (submit("serve-http", "serves.py", "http"),),
        (run_clean("serve-http"),),
        twin="rest-socket",
        wave=WAVE,
        short=True,
    ),
    Program(
        "serve-actor",
        "an actor listens on a port, and the driver waits for it",
        (submit("serve-actor", "serves.py", "actor"),),
        (run_clean("serve-actor"),),
        twin="rest-task",
        wave=WAVE,
        short=True,
    ),
    Program(
        "serve-kernel",
        "the kernel of a notebook: its command line, its ports",
        (Submit("serve-kernel", "{python} {here}/ipykernel_launcher.py -f kernel.json zoo=serve-kernel"),),
        (run_clean("serve-kernel"),),
        twin="rest-nap",
        wave=WAVE,
    ),
    Program(
        "serve-terminal",
        "a prompt at a terminal, at which ray.init() was typed and nothing since",
        (Drive("serve-terminal", '{python} -i -c "" zoo=serve-terminal', terminal=True, types=TYPED),),
        (run_clean("serve-terminal"),),
        twin="rest-nap",
        wave=WAVE,
        short=True,
    ),
    Program(
        "serve-script",
        "the prompt that a program left to a person at a terminal (python -i)",
        (Drive("serve-script", '{python} -i -c "import ray; ray.init()" zoo=serve-script', terminal=True),),
        (run_clean("serve-script"),),
        twin="rest-nap",
        wave=WAVE,
    ),
    Program(
        "serve-declared",
        "it sleeps, and its kind is declared as one that need not end",
        (submit("serve-declared", "rests.py", "nap", SERVICE),),
        (
            Job(
                "serve-declared",
                (*DECLARED_RUNS,),
                clean=True,
                really=Really(statuses=("RUNNING",)),
            ),
        ),
        twin="rest-nap",
        wave=WAVE,
        short=True,
    ),
    Program(
        "serve-unseen",
        "it listens, but never joined Ray: its port shows that it serves",
        (Submit("serve-unseen", "{python} -m http.server 0 --bind 127.0.0.1 --directory {here}"),),
        (run_clean("serve-unseen", joins=False),),
        twin="rest-unseen",
        wave=WAVE,
    ),
    Program(
        "serve-unseen-declared",
        "the same, with a kind that need not end",
        (
            Submit(
                "serve-unseen-declared",
                "{python} -m http.server 0 --bind 127.0.0.1 --directory {here}",
                tuple(SERVICE.items()),
            ),
        ),
        (Job("serve-unseen-declared", DECLARED_RUNS, clean=True, joins=False, really=Really(statuses=("RUNNING",))),),
        twin="rest-unseen",
        wave=WAVE,
    ),
)
