"""What the inspector asks of the store, and the client that asks it."""

from __future__ import annotations

from typing import Protocol

from ray.serve.handle import DeploymentHandle

from serve_app.cluster.handles import connect
from serve_app.jobs.diagnosis.service import Shelf as DiagnosisShelf
from serve_app.jobs.history.archive import PastJobs
from serve_app.jobs.history.recorder import History
from serve_app.jobs.logs.excerpts import Shelf as ExcerptShelf
from serve_app.metrics.sampler import Samples

# Longer than the store's own deadline, so that its sentence arrives and not ours.
TIMEOUT_S = 6.0


class JobStore(History, PastJobs, DiagnosisShelf, ExcerptShelf, Samples, Protocol):
    """All of it: each part of the inspector says for itself what it asks."""


def connect_store(handle: DeploymentHandle) -> JobStore:
    """A client of the store; every question may be repeated, so a lost replica is asked again."""
    return connect(JobStore, handle, timeout_s=TIMEOUT_S, retries=1)
