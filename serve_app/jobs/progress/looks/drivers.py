"""The drivers of one submission as one job: its entrypoint may start several, and Ray's list names the last. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from serve_app.jobs.drivers import DriverRun
from serve_app.jobs.models import DriverExit, JobFacts, JobRow, Known, Section, Snapshot, Unknown
from serve_app.jobs.motion import Circle
from serve_app.jobs.progress.circles.circles import JobTurns, sort_circles
from serve_app.jobs.progress.looks.tables import Tables
from serve_app.jobs.progress.models import DriverFacts
from serve_app.jobs.progress.processes import build_driver

T = TypeVar("T")


def list_driver_ids(snapshot: Snapshot, row: JobRow) -> tuple[str, ...]:
    """Ray's ids of all drivers of a job, the one that its row names first; none of one that never joined."""
    if row.job_id is None:
        return ()
    return tuple(dict.fromkeys((row.job_id, *(each.job_id for each in snapshot.list_drivers(row.submission_id)))))


def name_drivers(snapshot: Snapshot, rows: Iterable[JobRow]) -> dict[str, str]:
    """By the id of each further driver, the id that the row of its job names."""
    return {
        id: row.job_id
        for row in rows
        if row.job_id is not None
        for id in list_driver_ids(snapshot, row)
        if id != row.job_id
    }


def find_living(
    snapshot: Snapshot, row: JobRow, facts: JobFacts | None
) -> tuple[JobFacts | None, DriverExit | None]:
    """Ray's facts and worker row of a driver of it that lives, else of the one that its row names."""
    own = snapshot.find_exit(row.job_id)
    if own is None or own.is_alive or row.job_id is None:
        return facts, own
    for other in list_further(snapshot, row):
        return (None if facts is None else replace(facts, pid=other.pid)), snapshot.find_exit(other.job_id)
    return facts, own


def find_drivers(snapshot: Snapshot, row: JobRow) -> tuple[DriverFacts, tuple[DriverRun, ...]]:
    """The driver that speaks for a job, one that lives if any does, and those that live beside the one of its row."""
    facts, exit_row = find_living(snapshot, row, snapshot.find_job(row.id))
    runs = snapshot.list_drivers(row.submission_id)
    return build_driver(row, facts, exit_row, snapshot.nodes, runs), list_further(snapshot, row)


def list_further(snapshot: Snapshot, row: JobRow) -> tuple[DriverRun, ...]:
    """The drivers of a job that live, but not the one that its row names."""
    return tuple(
        other
        for other in snapshot.list_drivers(row.submission_id)
        if other.job_id != row.job_id and not other.is_dead
        if (its := snapshot.find_exit(other.job_id)) is None or its.is_alive
    )


def fold_drivers(tables: Tables, names: Mapping[str, str]) -> Tables:
    """The tables of a round with what is of any driver of a job under the id that its row names; attempts stay."""
    if not names:
        return tables
    listed = tables.unfinished.value if isinstance(tables.unfinished, Known) else {}
    told = {*tables.asked_apart, *listed}
    # Of a table that was cut, all of a job is known only when each of its drivers is in it, or was asked for.
    cut = set() if tables.whole else {main for id, main in names.items() if id not in told or main not in told}
    return replace(
        tables,
        unfinished=_fold(tables.unfinished, names),
        actors=_fold(tables.actors, names),
        groups=_fold(tables.groups, names),
        gets=fold_counts(tables.gets, names),
        uses={
            node_id: use
            if isinstance(use, Unknown)
            else Known(
                replace(
                    use.value,
                    processes=tuple(
                        replace(each, job_id=names[each.job_id]) if each.job_id in names else each
                        for each in use.value.processes
                    ),
                ),
                use.note,
            )
            for node_id, use in tables.uses.items()
        },
        partial=frozenset({names.get(id, id) for id in tables.partial} | cut),
        asked_apart=tables.asked_apart - cut,
    )


def fold_counts(
    section: Section[Mapping[str, Mapping[str, int]]], names: Mapping[str, str]
) -> Section[Mapping[str, Mapping[str, int]]]:
    """Counts by job id and name, with those of any driver of a job under the id that its row names."""
    if isinstance(section, Unknown):
        return section
    found: dict[str, dict[str, int]] = {}
    for id, counts in section.value.items():
        own = found.setdefault(names.get(id, id), {})
        for name, count in counts.items():
            own[name] = own.get(name, 0) + count
    return Known(found, section.note)


def join_turns(turns: Mapping[str, JobTurns], ids: Sequence[str], names: Mapping[str, str]) -> JobTurns:
    """What goes in circles in any driver of a job, as the job's."""
    own = [found for id in ids if (found := turns.get(id)) is not None]
    if len(ids) < 2:
        return own[0] if own else JobTurns()
    circles = (_name_owner(each, ids[0], names) for found in own for each in found.circles)
    return JobTurns(sort_circles(circles), sum(found.repaired for found in own))


def _name_owner(circle: Circle, job_id: str, names: Mapping[str, str]) -> Circle:
    greedy = circle.greediest
    if greedy is not None and greedy.job_id is not None:
        greedy = replace(greedy, job_id=names.get(greedy.job_id, greedy.job_id))
    return replace(circle, job_id=job_id, greediest=greedy)


def _fold(
    section: Section[Mapping[str, tuple[T, ...]]], names: Mapping[str, str]
) -> Section[Mapping[str, tuple[T, ...]]]:
    if isinstance(section, Unknown):
        return section
    found: dict[str, tuple[T, ...]] = {}
    for id, rows in section.value.items():
        main = names.get(id, id)
        found[main] = (*found.get(main, ()), *rows)
    return Known(found, section.note)
