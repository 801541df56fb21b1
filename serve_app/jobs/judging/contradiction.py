"""What the drivers and tasks of a submission say against, or beside, the exit code of its entrypoint. Pure.

An entrypoint is a command line: `train | tee log` ends with the code of `tee`. Ray keeps more than that code: how each
driver left (worker table), whether one lives on, and which tasks had not ended. Nothing here is concluded from what a
table does not tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from serve_app.jobs.drivers import DriverRun
from serve_app.jobs.judging.outcome import DRIVER_EXCEPTION, EXIT_CODE_0, PROMPT, SUBMISSION_FAILED, Conclusion
from serve_app.jobs.models import DriverExit, Evidence, JobFacts, JobType, NodeFacts, Snapshot, TaskCounts
from serve_app.outcomes import OPEN_OUTCOMES, JobOutcome

CONTRADICTED_DRIVER, CONTRADICTED_TASKS, LIVES_ON = "contradicted-driver", "contradicted-tasks", "driver-lives-on"
DRIVER_REPAIRED = "driver-repaired"
# Rules whose evidence may name a driver that ended by an exception: where that was, the worker table tells.
OF_EXCEPTIONS = frozenset({DRIVER_EXCEPTION, CONTRADICTED_DRIVER, DRIVER_REPAIRED})
MAY_LEAVE_TASKS_KEY = "seedcore.may_leave_tasks"
# SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL: of the process itself, and as a shell tells them.
CRASH_EXIT_CODES = frozenset({-11, 139, -6, 134, -7, 135, -8, 136, -4, 132})
# Of a submission, the last so many drivers are looked at.
MOST_DRIVERS = 20
# Tables are read one after the other, and a driver's row is closed within seconds of its end.
SETTLING = timedelta(seconds=5)
_SHOWN_CHARS = 80
_CLEAN = "INTENDED_USER_EXIT"
_CRASHES = {
    "SYSTEM_ERROR": "died abnormally (crashed, was killed, or left by os._exit)",
    "NODE_OUT_OF_MEMORY": "was killed because its node ran out of memory",
    "USER_ERROR": "ended by an error in user code",
}
# Python's own last word (faulthandler, which Ray enables in each driver), and a frame of a program's main module.
_FATAL = re.compile(r"^Fatal Python error: .*$", re.MULTILINE)
_STACK = "(most recent call first):"
_IN_MAIN = re.compile(r"^\s*File .*, line \d+ in <module>", re.MULTILINE)
_NO_MAIN = "Python's stack of the crash has no frame of its main module"
_JUST_ENDED = "It has just ended; how is not recorded yet."
_PIPE = "use `set -o pipefail`, and `&&` instead of `;`"
_SEE_WHY = "GET /jobs/{id}/diagnosis says why it did not end well"


@dataclass(frozen=True, slots=True)
class DriverEnd:
    """One driver of a submission with all that is known of how it left. ``alive`` None: not known."""

    job_id: str
    entrypoint: str
    alive: bool | None
    pid: int | None
    place: str | None
    started_at: datetime | None
    ended_at: datetime | None
    exit: DriverExit | None
    tasks: TaskCounts | None

    @property
    def crash(self) -> str | None:
        """How it ended that did not end well, in words; None where no table says so."""
        row = self.exit
        if row is None or row.is_alive or self.alive:
            return None
        if row.exit_type == _CLEAN and row.overwritten and not self.entrypoint.startswith(PROMPT):
            return "ended by an uncaught exception"
        return _CRASHES.get(row.exit_type or "")

    @property
    def left_in_order(self) -> bool:
        """Whether the worker table has that it said goodbye."""
        return self.exit is not None and not self.exit.is_alive and self.exit.exit_type == _CLEAN and not self.crash

    @property
    def is_unsettled(self) -> bool:
        """Whether the worker table does not tell yet how it left."""
        return self.exit is None or (self.exit.is_alive and not self.exit.overwritten)

    @property
    def unfinished(self) -> int:
        """How many of its tasks had not ended when it left in order: of any other the last second is not told."""
        return 0 if self.tasks is None or not self.left_in_order else self.tasks.unfinished

    def describe(self) -> str:
        """Which it is, for a person who looks for the process."""
        place = f" on {self.place}" if self.place else ""
        return f"{self.job_id}{place}" if self.pid is None else f"pid {self.pid}{place}"


Joined = tuple[DriverRun, DriverExit | None, TaskCounts | None]


def join_drivers(drivers: Iterable[DriverRun], snapshot: Snapshot) -> tuple[Joined, ...]:
    """Each driver with its row of the worker table and its tasks."""
    return tuple((facts, snapshot.find_exit(facts.job_id), snapshot.tasks.get(facts.job_id)) for facts in drivers)[
        -MOST_DRIVERS:
    ]


def fill_joined(now: tuple[Joined, ...], before: tuple[Joined, ...]) -> tuple[Joined, ...]:
    """What was known before of those of which a table tells nothing any more."""
    known = {facts.job_id: (row, tasks) for facts, row, tasks in before}
    nothing: tuple[None, None] = (None, None)
    return tuple(
        (facts, row or known.get(facts.job_id, nothing)[0], tasks or known.get(facts.job_id, nothing)[1])
        for facts, row, tasks in now
    )


def list_ends(job: JobFacts, joined: Sequence[Joined], last: Joined, nodes: Mapping[str, NodeFacts]) -> list[DriverEnd]:
    """How each driver of a submission left. ``last`` is the one that Ray's list shows, which ``joined`` may lack."""
    every = [*joined]
    if job.job_id and all(facts.job_id != job.job_id for facts, _, _ in every):
        every.append(last)
    return [_build_end(*each, nodes) for each in every]


def build_last(job: JobFacts, row: DriverExit | None) -> DriverRun:
    """The driver that Ray's list shows, where only that and the worker table tell of it."""
    return DriverRun(
        job_id=str(job.job_id),
        submission_id=str(job.submission_id),
        entrypoint="",
        is_dead=row is None or not row.is_alive or row.overwritten,
        pid=job.pid or (row.pid or None if row else None),
        node_id=row.node_id if row else job.node_id,
        node_ip=job.node_ip,
        started_at=row.started_at if row else None,
        ended_at=row.ended_at if row else None,
    )


def _build_end(
    facts: DriverRun, row: DriverExit | None, tasks: TaskCounts | None, nodes: Mapping[str, NodeFacts]
) -> DriverEnd:
    """A row stays alive for ever when its node dies; of one whose node is not known, nothing is said."""
    living = not facts.is_dead and (row is None or row.is_alive or row.overwritten)
    node = nodes.get(facts.node_id or (row.node_id if row else None) or "")
    return DriverEnd(
        job_id=facts.job_id,
        entrypoint=facts.entrypoint,
        alive=None if living and node is None else living and node is not None and node.alive,
        pid=facts.pid,
        place=facts.node_ip,
        started_at=facts.started_at,
        ended_at=facts.ended_at,
        exit=row,
        tasks=tasks,
    )


def weigh_drivers(job: JobFacts, conclusion: Conclusion, ends: Sequence[DriverEnd], now: datetime) -> Conclusion:
    """The conclusion from Ray's word and exit code, as far as drivers and tasks agree with it."""
    if job.type is not JobType.SUBMISSION or not ends or conclusion.outcome in OPEN_OUTCOMES:
        return conclusion
    living = [end for end in ends if end.alive]
    if living and (conclusion.rule == EXIT_CODE_0 or conclusion.outcome is JobOutcome.STOPPED):
        return _conclude_living(job, conclusion, living, now)
    if conclusion.rule == EXIT_CODE_0:
        if len(ends) > 1 and _is_settling(job, now) and any(end.is_unsettled for end in ends):
            # Of `a || a` the first has crashed for all to see; that the second made it good is not written yet.
            return Conclusion(JobOutcome.RUNNING, conclusion.evidence, _JUST_ENDED, conclusion.rule)
        return _weigh_success(job, conclusion, ends)
    if conclusion.rule == SUBMISSION_FAILED:
        return _weigh_failure(job, conclusion, ends)
    return conclusion


def _conclude_living(job: JobFacts, conclusion: Conclusion, living: Sequence[DriverEnd], now: datetime) -> Conclusion:
    told = Evidence(LIVES_ON, "worker table", f"driver {living[-1].job_id} ({living[-1].describe()}) is alive")
    evidence = (told, *conclusion.evidence)
    if _is_settling(job, now):
        return Conclusion(JobOutcome.RUNNING, evidence, _JUST_ENDED, conclusion.rule)
    which = f"its driver ({living[-1].describe()})"
    more = "" if len(living) == 1 else f" and {len(living) - 1} more"
    verb = "lives" if len(living) == 1 else "live"
    return Conclusion(
        JobOutcome.RUNNING,
        evidence,
        f"It is over by Ray's word ({job.status}), but {which}{more} {verb}.",
        LIVES_ON,
        f"Wait for it, or have a person end {living[-1].describe()}: Ray stops only what it started, and that has "
        "ended. Run the program in the foreground of its entrypoint to have it watched.",
    )


def _is_settling(job: JobFacts, now: datetime) -> bool:
    return job.ended_at is not None and now - job.ended_at < SETTLING


def _weigh_success(job: JobFacts, conclusion: Conclusion, ends: Sequence[DriverEnd]) -> Conclusion:
    crashed = [end for end in ends if end.crash]
    bad = [end for end in crashed if not _find_successor(end, ends)]
    if bad:
        return _contradict_by_driver(conclusion, bad, ends)
    left = [end for end in ends if end.unfinished and not _find_successor(end, ends)]
    if left and not may_leave_tasks(job):
        return _contradict_by_tasks(conclusion, left[-1])
    if crashed:
        return _note_repaired(conclusion, crashed, ends)
    return conclusion


def _find_successor(end: DriverEnd, ends: Sequence[DriverEnd]) -> DriverEnd | None:
    """A later driver of the same program, arguments included, that left in order and left nothing behind."""
    since = end.ended_at or end.started_at
    for other in ends:
        later = other.job_id != end.job_id and since is not None and _began_after(other, since)
        if later and other.entrypoint == end.entrypoint and other.left_in_order and not other.unfinished:
            return other
    return None


def _began_after(end: DriverEnd, since: datetime) -> bool:
    return end.started_at is not None and end.started_at >= since


def _contradict_by_driver(conclusion: Conclusion, bad: Sequence[DriverEnd], ends: Sequence[DriverEnd]) -> Conclusion:
    first = bad[0]
    who = f"its driver ({first.describe()}) {first.crash}"
    if len(ends) > 1:
        which = f"{len(bad)} of its {len(ends)} drivers did not end well: {first.describe()}"
        who = f"{which} (`{_shorten(first.entrypoint)}`) {first.crash}"
    return Conclusion(
        JobOutcome.CONTRADICTED,
        (*_list_crashes(CONTRADICTED_DRIVER, bad), *conclusion.evidence),
        f"Its entrypoint exited with code 0, but {who} (worker table); {_PIPE}.",
        CONTRADICTED_DRIVER,
        f"Have the command end with the code of its driver: {_PIPE}, no `|| true`. {_SEE_WHY}.",
    )


def _contradict_by_tasks(conclusion: Conclusion, end: DriverEnd) -> Conclusion:
    tasks = end.tasks or TaskCounts(0, 0, 0, 0, 0)
    fact = f"{tasks.unfinished} of {max(tasks.total, tasks.unfinished)} tasks had not ended when the driver left"
    return Conclusion(
        JobOutcome.CONTRADICTED,
        (Evidence(CONTRADICTED_TASKS, "task table", fact), *conclusion.evidence),
        f"Its entrypoint exited with code 0, but {describe_unfinished(tasks)}",
        CONTRADICTED_TASKS,
        "Keep what .remote() gives and ray.get it before the program ends; if the work may be left, declare "
        f'{MAY_LEAVE_TASKS_KEY}: "true" in the metadata of the job.',
    )


def describe_unfinished(tasks: TaskCounts) -> str:
    """What a driver left, and what helps."""
    names = f" ({', '.join(tasks.unfinished_names)})" if tasks.unfinished_names else ""
    of_all = f"{tasks.unfinished} of its {max(tasks.total, tasks.unfinished)} tasks{names}"
    return f"{of_all} had not finished when its driver left: keep the refs and ray.get them."


def may_leave_tasks(job: JobFacts) -> bool:
    """Whether its metadata declare that tasks may be left when its driver leaves."""
    return job.metadata.get(MAY_LEAVE_TASKS_KEY, "").strip().lower() == "true"


def _note_repaired(conclusion: Conclusion, crashed: Sequence[DriverEnd], ends: Sequence[DriverEnd]) -> Conclusion:
    last = crashed[-1]
    good = _find_successor(last, ends)
    by = "" if good is None else f" ({good.describe()})"
    note = (
        f"{len(crashed)} of its {len(ends)} drivers did not end well ({last.describe()} {last.crash}); a later one of "
        f"the same program{by} made it good."
    )
    evidence = (*conclusion.evidence, *_list_crashes(DRIVER_REPAIRED, crashed))
    return Conclusion(conclusion.outcome, evidence, _join(conclusion.sentence, note), conclusion.rule)


def _weigh_failure(job: JobFacts, conclusion: Conclusion, ends: Sequence[DriverEnd]) -> Conclusion:
    if (why := _find_late_crash(job, ends[-1])) is not None:
        return _contradict_by_late_crash(job, conclusion, ends[-1], why)
    notes = []
    crashed = [end for end in ends if end.crash]
    if len(ends) > 1:
        how = f"{len(crashed)} did not end well" if crashed else "all left in order, as far as Ray tells"
        notes.append(f"Of its {len(ends)} drivers {how}{_describe_first_crash(crashed)}.")
    living = [end for end in ends if end.alive]
    if living:
        notes.append(f"Its driver ({living[-1].describe()}) lives on.")
    if not notes:
        return conclusion
    evidence = conclusion.evidence
    if len(ends) > 1:
        # One driver's end is told where the failure is concluded.
        plain = tuple(each for each in evidence if each.rule != DRIVER_EXCEPTION)
        evidence = (*plain, *_list_crashes(DRIVER_EXCEPTION, [end for end in crashed if _is_exception(end)]))
    return Conclusion(conclusion.outcome, evidence, _join(conclusion.sentence, *notes), conclusion.rule)


def _join(sentence: str, *more: str) -> str:
    """A last line that is quoted in a sentence may have no end of its own."""
    return " ".join([sentence if sentence.endswith((".", "!", "?")) else f"{sentence}.", *more])


def _describe_first_crash(crashed: Sequence[DriverEnd]) -> str:
    if not crashed:
        return ""
    return f": the first ({crashed[0].describe()}) {crashed[0].crash}"


def _is_exception(end: DriverEnd) -> bool:
    return end.exit is not None and end.exit.exit_type == _CLEAN


def _find_late_crash(job: JobFacts, last: DriverEnd) -> str | None:
    """What proves that a process crashed after its work, in words; None where nothing does.

    A crash in the middle looks the same by its code, and of a driver that crashed Ray does not know the tasks of its
    last second. Either Python itself told that the program had left its main module, or the driver had said goodbye to
    Ray, with its work finished, before its process crashed without a word from Python.
    """
    if job.exit_code not in CRASH_EXIT_CODES or last.alive or last.unfinished:
        return None
    found = list(_FATAL.finditer(job.message or ""))
    if found:
        stack = (job.message or "")[found[-1].end() :]
        return _NO_MAIN if _STACK in stack and _IN_MAIN.search(stack) is None else None
    tasks = last.tasks
    if last.left_in_order and tasks is not None and tasks.total and not tasks.failed:
        return f"its driver had left Ray in order, and {tasks.finished} of its {tasks.total} tasks had finished"
    return None


def _contradict_by_late_crash(job: JobFacts, conclusion: Conclusion, last: DriverEnd, why: str) -> Conclusion:
    told = Evidence(CONTRADICTED_DRIVER, "driver's log" if why is _NO_MAIN else "worker table", why)
    return Conclusion(
        JobOutcome.CONTRADICTED,
        (told, *conclusion.evidence),
        f"Its process ({last.describe()}) crashed with exit code {job.exit_code}, but after its work: {why}.",
        CONTRADICTED_DRIVER,
        "See whether its results are whole before it runs again; mend what crashes at the end (atexit handlers, "
        f"extension modules). {_SEE_WHY}.",
    )


def _list_crashes(rule: str, ends: Sequence[DriverEnd]) -> tuple[Evidence, ...]:
    return tuple(Evidence(rule, "worker table", f"driver {end.job_id} ({end.describe()}) {end.crash}") for end in ends)


def _shorten(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS - 1]}…"
