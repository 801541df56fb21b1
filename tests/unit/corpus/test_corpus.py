"""Each recording of the corpus is whole, labelled in the vocabulary, and tells nothing of the machine that made it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from serve_app.jobs.diagnosis.models import SourceKind
from tests.corpus.make import groups
from tests.corpus.recording import FIELDS, MADE, load
from tests.corpus.scrubbing import MAX_BYTES, bounded
from tests.corpus.vocabulary import CODES, LABELS

PATHS = sorted(MADE.glob("*.json"))
KEYS = {"id", "title", "primary", "acceptable", "why", "evidence", "ray", "recorded_at", "fields", "sources"}
_MACHINE = re.compile(r"/work/|/root\b|/opt/(?:wheels|pypi)|\.pyenv|/tmp/rec-|pypi\.org|pythonhosted")
_SECRETS = re.compile(r"AKIA[A-Z0-9]{16}|BEGIN [A-Z ]*PRIVATE KEY|Bearer [A-Za-z0-9._-]{12,}|://[^/\s:@]+:[^/\s:@]+@")


@pytest.fixture(params=PATHS, ids=[path.stem for path in PATHS])
def path(request: pytest.FixtureRequest) -> Path:
    """One recording after the other."""
    return request.param


def test_a_recording_is_whole(path: Path) -> None:
    recording = load(path)
    assert set(recording) == KEYS
    assert recording["id"] == path.stem
    assert recording["id"].startswith("m-")
    assert recording["title"]
    assert recording["why"].endswith(".")
    assert set(recording["fields"]) == set(FIELDS)
    assert {source["kind"] for source in recording["sources"]} <= {str(kind) for kind in SourceKind}
    names = [source["name"] for source in recording["sources"]]
    assert len(names) == len(set(names))
    assert max(len(source["data"]) for source in recording["sources"]) < MAX_BYTES + 5_000


def test_its_label_is_of_the_vocabulary(path: Path) -> None:
    recording = load(path)
    assert recording["primary"] in LABELS
    assert set(recording["acceptable"]) <= CODES - {recording["primary"]}
    assert (recording["primary"] == "none") <= (recording["fields"]["status"] == "SUCCEEDED")
    assert "\n" not in recording["evidence"]
    assert any(recording["evidence"].encode() in source["data"] for source in recording["sources"])


def test_it_tells_nothing_of_the_machine(path: Path) -> None:
    recording = load(path)
    texts = [source["data"].decode(errors="replace") for source in recording["sources"]]
    for text in [*texts, str(recording["fields"])]:
        assert not _MACHINE.findall(text)
        assert not _SECRETS.findall(text)


def test_a_program_and_its_recording_are_labelled_alike() -> None:
    programs = {each.id: each for module in groups().values() for each in module.PROGRAMS}
    assert len(programs) == sum(len(module.PROGRAMS) for module in groups().values())
    assert set(programs) == {path.stem for path in PATHS}
    for path in PATHS:
        recording, program = load(path), programs[path.stem]
        known = (program.title, program.primary, list(program.acceptable), program.why, program.evidence)
        assert known == tuple(recording[name] for name in ("title", "primary", "acceptable", "why", "evidence"))


@pytest.mark.parametrize(
    ("data", "limit", "expected"),
    [
        (b"short", 5, b"short"),
        (b"aa\nbb\ncc\ndd\n", 8, b"aa\n[... 6 bytes cut out of the recording ...]\ndd\n"),
        (b"one line of text", 8, b"one \n[... 7 bytes cut out of the recording ...]\ntext"),
        ("éééé".encode(), 6, "é\n[... 3 bytes cut out of the recording ...]\né".encode()),
    ],
)
def test_the_middle_is_cut_out(data: bytes, limit: int, expected: bytes) -> None:
    assert bounded(data, limit) == expected
