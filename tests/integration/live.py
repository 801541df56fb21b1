"""Fixtures of the one cluster that the session shares."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from serve_app.hidden.private_file import write_private_text
from tests.integration.cluster import ROOT, TOKENS, TOKENS_FILE, Cluster, running
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
    env |= {"SEEDCORE_OTLP_ENDPOINT": spans.endpoint, "SEEDCORE_CONFIG": str(_configuration(home))}
    # Empty as yet: the command that makes tokens fills it while the application runs.
    write_private_text(home / TOKENS_FILE, "{}\n")
    env["SEEDCORE_TOKENS_FILE"] = str(home / TOKENS_FILE)
    with running(home, env) as started:
        yield started
    shutil.rmtree(home, ignore_errors=True)


def _configuration(home: Path) -> Path:
    """The shipped configuration with what the tests need: jobs may be managed, and a kind is declared."""
    config = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    application = config["applications"][0]
    application["args"]["job_management"] = {"enabled": True}
    service = {"name": "declared-service", "match": {"entrypoint": "* declared-service"}, "must_end": False}
    application["deployments"].append({"name": "JobInspector", "user_config": {"kinds": [service]}})
    path = home / "asked.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return path
