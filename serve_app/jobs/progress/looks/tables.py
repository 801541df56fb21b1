"""What one round of looks was told of all running jobs, table by table. Pure.

A table is asked for once, whatever the number of jobs. ``Unknown`` where Ray did not tell, with its reason; the note of
a ``Known`` says what Ray left out of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from serve_app.jobs.models import Known, Section, Unknown
from serve_app.jobs.progress.models import GroupFacts, HeldReference, LogFacts, TaskFacts

_NOT_ASKED = Unknown("not asked")


@dataclass(frozen=True, slots=True)
class ActorDetail:
    """An actor that is not dead, with what the short list of actors leaves out. ``restarts``: so often since it began.

    ``state``: Ray's word, ``ALIVE``, ``RESTARTING``, ``PENDING_CREATION`` or ``DEPENDENCIES_UNREADY``.
    """

    actor_id: str
    class_name: str
    name: str
    state: str
    job_id: str
    node_id: str = ""
    pid: int | None = None
    restarts: int = 0
    required: Mapping[str, float] = field(default_factory=dict)
    group_id: str = ""


@dataclass(frozen=True, slots=True)
class ProcessUse:
    """A driver or worker process as the agent of its node measured it last.

    ``used_s``: processor time since it began; ``cores``: share of one core since the measurement before; ``gpu``: share
    of one GPU, None where Ray tells none. ``finished``: tasks that it has begun and that run no more; ``running``:
    those that run. ``port``: where Ray's own part of it listens; ``rss_bytes``: memory that is resident.
    """

    pid: int
    job_id: str
    used_s: float | None = None
    cores: float = 0.0
    gpu: float | None = None
    finished: int | None = None
    running: int | None = None
    is_driver: bool = False
    port: int | None = None
    rss_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class NodeProcesses:
    """The processes of a node. ``session_dir``: where its logs are; ``metrics_url``: where its agent tells figures;
    ``load``: how many processes wanted each of its cores in the last minute.
    """

    node_id: str
    measured_at: datetime | None
    processes: tuple[ProcessUse, ...]
    session_dir: str = ""
    metrics_url: str = ""
    load: float = 0.0


@dataclass(frozen=True, slots=True)
class HeadProcesses:
    """What the head's own process table tells beyond Ray's rows, by job id or submission id.

    ``used_s``: processor time of all processes that descend from the job's; ``listens``: a port on which one of them
    waits for callers, other than Ray's; ``stopped``: those whose driver, or all workers, were stopped by a signal;
    ``unlooked``: those of which whether they listen is not known yet.
    """

    used_s: Mapping[str, float] = field(default_factory=dict)
    listens: Mapping[str, int] = field(default_factory=dict)
    stopped: frozenset[str] = frozenset()
    unlooked: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Tables:
    """One round. ``unfinished``, ``actors`` and ``groups`` are by job id, ``uses`` by node id, ``logs`` and
    ``last_lines`` by submission id; ``gets``: by job id and name, how many tasks are in ``ray.get`` or ``ray.wait``.

    ``attempts`` are failed attempts as Ray's rows have them. Of the jobs ``partial`` not all unfinished tasks are
    there; ``whole``: jobs that are not there have none; ``asked_apart``: jobs that were asked for by themselves.
    """

    at: datetime
    unfinished: Section[Mapping[str, tuple[TaskFacts, ...]]] = _NOT_ASKED
    attempts: Section[tuple[Any, ...]] = _NOT_ASKED
    actors: Section[Mapping[str, tuple[ActorDetail, ...]]] = _NOT_ASKED
    groups: Section[Mapping[str, tuple[GroupFacts, ...]]] = _NOT_ASKED
    uses: Mapping[str, Section[NodeProcesses]] = field(default_factory=dict)
    logs: Mapping[str, Section[LogFacts]] = field(default_factory=dict)
    last_lines: Mapping[str, str] = field(default_factory=dict)
    head: HeadProcesses = HeadProcesses()
    gets: Section[Mapping[str, Mapping[str, int]]] = _NOT_ASKED
    references: Section[tuple[HeldReference, ...]] = _NOT_ASKED
    partial: frozenset[str] = frozenset()
    whole: bool = True
    asked_apart: frozenset[str] = frozenset()

    def list_unfinished(self, job_id: str) -> Section[tuple[TaskFacts, ...]]:
        """Tasks of one job that have not ended; unknown when the table was cut and had none of them."""
        if isinstance(self.unfinished, Unknown):
            return self.unfinished
        rows = self.unfinished.value.get(job_id, ())
        if not rows and not self.whole and job_id not in self.asked_apart:
            return Unknown(self.unfinished.note or "the table of tasks was cut")
        return Known(rows, f"{len(rows)} of its unfinished tasks are looked at" if job_id in self.partial else None)
