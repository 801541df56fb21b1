"""What an ``import_path`` names is imported in a process of its own, which ends in time. No cluster."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest

from serve_app.check import imports
from serve_app.check.__main__ import main
from serve_app.check.imports import find_import_failure
from tests.integration.cluster import wait_for


@pytest.mark.parametrize(
    ("import_path", "why"),
    [
        ("serve_app.check.rules:IMPORT_PATH", None),
        ("serve_app.nowhere:build", "ModuleNotFoundError: No module named 'serve_app.nowhere'"),
        ("tests.integration.check.ends:app", "its import ended with exit code 7"),
    ],
)
def test_an_import_is_tried_in_a_process_of_its_own(import_path: str, why: str | None) -> None:
    assert find_import_failure(import_path) == why


def test_an_import_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "LIMIT_S", 0.01)
    assert find_import_failure("serve_app.main:build") == "its import takes longer than 0.01 s"


def test_what_an_import_leaves_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LEFT_PIDS", str(tmp_path / "pids"))
    monkeypatch.setattr(imports, "LIMIT_S", 5.0)
    assert find_import_failure("tests.integration.check.leaves:app") is None
    inside, apart = (tmp_path / "pids").read_text().split()
    wait_for("the end of what it started", lambda: not runs(inside))
    assert runs(apart)
    os.kill(int(apart), signal.SIGKILL)


def runs(pid: str) -> bool:
    return psutil.pid_exists(int(pid)) and psutil.Process(int(pid)).status() != psutil.STATUS_ZOMBIE


def test_the_command_names_file_and_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("http_options: {host: 127.0.0.1}\napplications:\n  - import_path: serve_app.nowhere:build\n")
    assert main([str(file)]) == 1
    assert capsys.readouterr().out.startswith(
        f"{file}:3: applications[0].import_path: got 'serve_app.nowhere:build'; expected what can be imported here"
    )
