"""Several logs as one incident: a directory, an archive, what follows ``--together``."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path

import pytest

from serve_app import diagnose
from serve_app.jobs.diagnosis.inputs import incidents

OOM = b"slurmstepd: error: Detected 1 oom_kill event in StepId=11.batch.\n"
DIED = (
    b"ray.exceptions.ActorDiedError: The actor died unexpectedly before finishing this task.\nThe actor is dead because "
    b"its worker process has died. Worker exit type: SYSTEM_ERROR Worker exit detail: Worker unexpectedly exits with a "
    b"connection error code 2. End of file.\n"
)


def _ask(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, object]]:
    assert diagnose.main([*arguments, "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "incident"
    (place / "deep").mkdir(parents=True)
    (place / "driver.log").write_bytes(DIED)
    (place / "deep" / "batch.err").write_bytes(OOM)
    (place / "core.bin").write_bytes(b"\x7fELF\0\0\0")
    (place / "empty").write_bytes(b"")
    return place


def test_several_arguments_are_one_answer_each_and_together_they_are_one(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    driver, batch = str(folder / "driver.log"), str(folder / "deep" / "batch.err")
    assert [row["code"] for row in _ask(capsys, driver, batch)] == ["memory.process-killed", "memory.node-oom"]
    assert [row["code"] for row in _ask(capsys, "--together", driver, batch)] == ["memory.node-oom"]
    both = _ask(capsys, batch, "--together", driver, batch)
    assert [row["code"] for row in both] == ["memory.node-oom", "memory.node-oom"]


def test_a_directory_is_one_incident(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (row,) = _ask(capsys, str(folder))
    assert (row["source"], row["code"], row["read_as"]) == (str(folder), "memory.node-oom", ["slurm", "driver-log"])


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "a.tar"])
def test_an_archive_is_one_incident(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    packed = tmp_path / name
    if name.endswith(".zip"):
        with zipfile.ZipFile(packed, "w") as archive:
            archive.write(folder / "driver.log", "driver.log")
            archive.write(folder / "deep" / "batch.err", "deep/batch.err")
    else:
        with tarfile.open(packed, "w:gz" if name.endswith("gz") else "w") as archive:
            archive.add(folder, "incident")
    (row,) = _ask(capsys, str(packed))
    assert row["code"] == "memory.node-oom"
    assert str(row["evidence"][0]["source"]).startswith(f"{packed}:")  # type: ignore[index]


def test_of_a_member_no_more_is_read_than_is_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incidents, "MOST_MEMBER_BYTES", 10)
    packed = tmp_path / "bomb.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.log", b"x" * 5_000_000)
    assert list(incidents.read_archive(str(packed))) == [("a.log", [b"x" * 10])]


def test_what_is_broken_or_has_no_log_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken, empty = tmp_path / "b.zip", tmp_path / "none"
    broken.write_bytes(b"no archive")
    empty.mkdir()
    assert diagnose.main([str(broken), str(empty)]) == 2
    error = capsys.readouterr().err
    assert "b.zip: " in error
    assert "none: there is no log in it" in error


def test_nothing_named_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        diagnose.main([])
    assert ended.value.code == 2
    assert "name a log" in capsys.readouterr().err


def test_links_are_not_followed(folder: Path, tmp_path: Path) -> None:
    (folder / "link.log").symlink_to(tmp_path / "elsewhere.log")
    (tmp_path / "elsewhere.log").write_bytes(io.BytesIO(OOM).getvalue())
    assert [each.name for each in incidents.list_files(str(folder))] == ["batch.err", "driver.log"]
