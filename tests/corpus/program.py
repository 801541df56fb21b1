"""One program of the corpus: what is run, and what is known of how it ends because it was made to end so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from tests.record.cluster import Cluster

HEALTHY = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """``source_code`` becomes ``main.py`` of the job's working directory, beside ``files`` (names to text or bytes).

    ``primary``: the cause that was made to happen; ``acceptable``: other codes that an honest reader of the same
    sources may give; ``evidence``: a fragment of one line, found in a source, that a right answer quotes, or nothing.
    ``submit_options``: further fields of the POST, as ``entrypoint_num_cpus``. ``during`` is called once the job is
    submitted. ``ends``: statuses in which the job must end; by default SUCCEEDED where ``healthy``, else FAILED.
    In ``entrypoint``, $DIRECTORY and $CLIENT_PORT are those of the cluster.
    ``play``: makes the recording of what is no submission that ends; ``head``: starts the cluster that it is alone in.
    """

    id: str
    title: str
    primary: str
    acceptable: tuple[str, ...] = ()
    why: str
    evidence: str = ""
    source_code: str = ""
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    entrypoint: str = "python main.py"
    runtime_env: Mapping[str, Any] = field(default_factory=dict)
    submit_options: Mapping[str, Any] = field(default_factory=dict)
    healthy: bool = False
    during: Callable[[Cluster, str], None] | None = None
    ends: tuple[str | None, ...] = ()
    play: Callable[[Cluster, Any], Any] | None = None
    head: Callable[[], AbstractContextManager[Cluster]] | None = None
    timeout_s: float = 120

    @property
    def statuses(self) -> tuple[str | None, ...]:
        """Statuses in which the job must end to be recorded."""
        return self.ends or (("SUCCEEDED",) if self.healthy else ("FAILED",))


def healthy(id: str, title: str, why: str, source_code: str, **more: Any) -> Program:
    """A program that succeeds, whatever its log says."""
    return Program(id=id, title=title, primary=HEALTHY, why=why, source_code=source_code, healthy=True, **more)
