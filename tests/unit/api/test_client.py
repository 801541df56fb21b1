"""A client that is generated from the schema: it is typed, and reads what is answered."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from mypy import api

from tests.client import NAME, generate_client
from tests.unit.api.test_recorded import ANSWERS, DOCUMENT

USE = f"""
from __future__ import annotations

from {NAME} import AuthenticatedClient
from {NAME}.api.jobs import get_job, list_jobs
from {NAME}.models import JobAnswer, JobPage, JobViewOutcome


def names(client: AuthenticatedClient) -> list[str]:
    page = list_jobs.sync(client=client, limit=5)
    assert isinstance(page, JobPage)
    return [job.id for job in page.items if job.outcome is JobViewOutcome.SUCCEEDED]


def took(client: AuthenticatedClient, id: str) -> float | None:
    job = get_job.sync(id, client=client)
    assert isinstance(job, JobAnswer)
    return None if job.ended_at is None or job.started_at is None else (job.ended_at - job.started_at).total_seconds()
"""
WRONG = f"""
from {NAME} import AuthenticatedClient
from {NAME}.api.jobs import list_jobs
from {NAME}.models import JobPage


def names(client: AuthenticatedClient) -> list[int]:
    page = list_jobs.sync(client=client, colour="red")
    return [job.id for job in page.items] if isinstance(page, JobPage) else []
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("client")
    generate_client(DOCUMENT, made)
    return made


def check_types(directory: Path, name: str, program: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What mypy says of a program that uses the client."""
    (directory / f"{name}.py").write_text(program)
    monkeypatch.chdir(directory)
    said, _, _ = api.run(["--config-file=", "--strict", "--follow-imports=silent", f"{name}.py"])
    return [line.split(" error: ")[1] for line in said.splitlines() if " error: " in line]


def test_it_is_typed(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_types(directory, "use", USE, monkeypatch) == []
    assert check_types(directory, "wrong", WRONG, monkeypatch) == [
        'Unexpected keyword argument "colour" for "sync"  [call-arg]',
        "List comprehension has incompatible type List[str]; expected List[int]  [misc]",
    ]


def test_it_reads_what_is_answered(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(directory))
    models: Any = import_module(f"{NAME}.models")
    read = {"/jobs": models.JobPage, "/report": models.ReportAnswer, "/alerts/history": models.AlertPage}
    answers = [each for each in ANSWERS if each["path"].split("?")[0] in read and each["method"] == "GET"]
    answers = [each for each in answers if each["media_type"] == "application/json"]
    assert len(answers) > len(read)
    for answer in answers:
        body = answer["body"]
        assert read[answer["path"].split("?")[0]].from_dict(body).to_dict().keys() == body.keys()
