"""What answers about jobs ask of other parts: causes that were found, and what a job holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from serve_app.jobs.models import JobRow
from serve_app.schemas.diagnosis import DiagnosisView
from serve_app.schemas.jobs import WorkOfJob


class Causes(Protocol):
    """Why jobs failed, as far as that was found out (``diagnosis.service``): nothing is looked at for these.

    The code of other jobs comes with their rows from the store, which has it since the diagnosis was saved.
    """

    def find_code(self, key: str) -> str | None:
        """The code of a diagnosis that was made or read since the start, by the key of its job (``session/id``).

        From memory, so it costs a list nothing; None: no diagnosis, or one that found nothing wrong.
        """
        ...

    async def find_known(self, row: JobRow) -> DiagnosisView | None:
        """The diagnosis of a job; None: none was made."""
        ...


class OwnWorkSource(Protocol):
    """What a job holds and what of it is unfinished (``progress.looks.holdings``)."""

    async def describe(self, row: JobRow, job_ids: Sequence[str]) -> WorkOfJob:
        """``job_ids`` are Ray's ids of its drivers, those that live first."""
        ...
