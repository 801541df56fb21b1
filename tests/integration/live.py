"""Fixtures of the one cluster that the session shares."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cluster import TOKENS, Cluster, running
from tests.integration.spans import SpanCollector


@pytest.fixture(scope="session")
def spans() -> Iterator[SpanCollector]:
    """A collector to which the session's cluster exports its spans."""
    collector = SpanCollector()
    yield collector
    collector.close()


@pytest.fixture(scope="session")
def cluster(spans: SpanCollector) -> Iterator[Cluster]:
    """The application on a local Ray head of its own, with a token for each role."""
    home = Path(tempfile.mkdtemp(prefix="seedcore-test-"))
    env = {f"SEEDCORE_{role.upper()}_TOKEN": token for role, token in TOKENS.items()}
    with running(home, {**env, "SEEDCORE_OTLP_ENDPOINT": spans.endpoint}) as started:
        yield started
    shutil.rmtree(home, ignore_errors=True)
