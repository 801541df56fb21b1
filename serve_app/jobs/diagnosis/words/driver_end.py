"""What is said where the end of a driver's process is all that is known, or does not agree with its exit code. Pure."""

from __future__ import annotations

from dataclasses import replace

from serve_app.jobs.diagnosis.models import Diagnosis

# As ``evidence.sentences`` calls the driver's own row, and the code of a process that vanished.
DRIVER_SOURCE = "driver process"
_VANISHED = "memory.process-killed"
_SENTENCE = "Its process vanished: the worker table does not tell a crash from a kill, or from os._exit."
_WHO_ENDED_IT = (
    "If it says nothing, look for who ended it; the kernel's out-of-memory killer says so in `dmesg` of its node."
)
_ADVICE_SUBMITTED = ("Look at the end of its log: a crash in native code says so there.", _WHO_ENDED_IT)
_ADVICE_STARTED = (
    "Look at its output where it was started, since Ray keeps no log of it: a crash in native code says so there.",
    _WHO_ENDED_IT,
    "Submit it as a Ray job (`ray job submit`) to have its log and exit code kept.",
)


def tell_no_more(diagnosis: Diagnosis, *, submitted: bool) -> Diagnosis:
    """The diagnosis, without advice on memory where nothing but the end of the process is evidence."""
    sources = {each.source for each in diagnosis.evidence}
    if diagnosis.code != _VANISHED or sources != {DRIVER_SOURCE}:
        return diagnosis
    return replace(diagnosis, sentence=_SENTENCE, advice=_ADVICE_SUBMITTED if submitted else _ADVICE_STARTED)


def tell_contradiction(diagnosis: Diagnosis, reason: str, action: str) -> Diagnosis:
    """The diagnosis of a job whose end is contradicted: where its texts hold nothing that is wrong, what is said of
    that end and what to do.
    """
    if diagnosis.code is not None:
        return diagnosis
    return replace(diagnosis, title="what is known of its end does not agree", sentence=reason, advice=(action,))
