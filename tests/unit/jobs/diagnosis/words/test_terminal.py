"""A diagnosis as the command prints it."""

from __future__ import annotations

from serve_app.jobs.diagnosis.engine.diagnose import diagnose
from serve_app.jobs.diagnosis.models import Fields, SourceKind, TextSource
from serve_app.jobs.diagnosis.words.terminal import render_diagnosis

LOG = b"""\
(raylet) 1 Workers (tasks / actors) killed due to memory pressure (OOM), 0 Workers crashed due to other reasons
"""
LOG += b"step\n" * 20
LOG += b"""\
Traceback (most recent call last):
  File "train.py", line 18, in <module>
    ray.get(load.remote())
ray.exceptions.RayTaskError(ModuleNotFoundError): ray::load() (pid=5280, ip=10.0.0.7)
  File "train.py", line 9, in load
    import fastshard
ModuleNotFoundError: No module named '\x1b[31mfastshard'
"""


def test_a_cause_with_its_evidence_its_chain_what_to_do_and_what_it_is_not() -> None:
    sources = [TextSource("job.log", SourceKind.FILE, [LOG])]
    found = diagnose(Fields(status="FAILED"), sources, unavailable=["The log of x."])
    lines = render_diagnosis(found, "job.log").split("\n")
    advice = [line for line in lines if line.startswith("    ") and line.strip()[0].isdigit()]
    assert lines[:9] == [
        "job.log: a module that is missing or broken (app.import-error; certain; trying again does not help until "
        "something is changed)",
        "  A module could not be imported, on the driver or on a worker.",
        "  read as: driver-log",
        "  the program's own place: train.py, line 9, in load (other)",
        "  evidence",
        "    job.log:28: ModuleNotFoundError: No module named '",
        "    job.log:25: ray.exceptions.RayTaskError(ModuleNotFoundError): ray::load() (pid=5280, ip=10.0.0.7)",
        "  from what was seen to its cause: app.task-exception <- app.import-error",
        "  what to do",
    ]
    assert [line.strip()[:2] for line in advice] == ["1.", "2.", "3."]
    assert lines[-4:] == [
        "  see https://docs.ray.io/en/latest/ray-core/handling-dependencies.html",
        "  not it",
        "    memory.node-oom: It does not count: the program went on for 20 lines after it.",
        "  not looked at: The log of x.",
    ]


def test_nothing_wrong_and_not_known() -> None:
    nothing = diagnose(Fields(), [TextSource("a.log", SourceKind.FILE, [b"step\n"])])
    assert (
        render_diagnosis(nothing, "a.log") == "a.log: nothing is wrong\n"
        "  Nothing is wrong up to its last line; it may be cut, for it does not tell its end.\n"
        "  read as: program-output"
    )
    unknown = render_diagnosis(
        diagnose(Fields(status="FAILED"), [TextSource("a.log", SourceKind.FILE, [b"step\n"])]), "a.log"
    )
    assert unknown.split("\n")[:5] == [
        "a.log: nothing tells why (unknown; look for a second signal before acting)",
        "  The evidence does not tell why.",
        "  read as: program-output",
        "  evidence",
        "    a.log:1: step",
    ]
