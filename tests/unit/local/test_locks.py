"""What is installed was locked, every version with its hashes; of advisories no answer is no all-clear."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
LOCKS = ("requirements.lock", "requirements-dev.lock")
_PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*(?:\[[a-z,]+\])?)==(\S+)")
# Nothing listens there, and nothing is sent beyond this machine.
NOBODY = "http://127.0.0.1:9"


def read_pins(lock: str) -> dict[str, list[str]]:
    """The hashes of each pin ``name==version``, with its marker if it has one."""
    pins: dict[str, list[str]] = {}
    hashes: list[str] = []
    for line in (ROOT / lock).read_text().splitlines():
        if _PIN.match(line):
            hashes = pins.setdefault(line.removesuffix(" \\"), [])
        elif line.strip().startswith("--hash="):
            hashes.append(line.strip().removesuffix(" \\"))
        else:
            assert line.strip().startswith("#") or not line.strip(), line
    return pins


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_version_has_its_hashes(lock: str) -> None:
    pins = read_pins(lock)
    assert len(pins) > 80
    assert [pin for pin, hashes in pins.items() if not hashes] == []
    assert {len(each) for hashes in pins.values() for each in hashes} == {len("--hash=sha256:") + 64}


def test_what_runs_is_what_is_tested() -> None:
    assert set(read_pins(LOCKS[0])) <= set(read_pins(LOCKS[1]))


class Pip:
    """What `pip` would be started with."""

    commands: list[list[str]] = []
    stdout = ("Collecting x\n", "Installing collected packages: x\n")
    returncode = 0

    def __init__(self, command: list[str], **_: Any) -> None:
        self.commands.append(command)

    def __enter__(self) -> Pip:
        return self

    def __exit__(self, *_: object) -> None: ...


@pytest.mark.parametrize("lock", LOCKS)
def test_nothing_is_installed_without_its_hash(lock: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "deploy" / "local" / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    bootstrap = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bootstrap)
    monkeypatch.setattr(bootstrap, "LOG", tmp_path / "log")
    monkeypatch.setattr(bootstrap.subprocess, "Popen", Pip)
    assert bootstrap._run_pip(ROOT / lock, 1, 0.0) == 0
    command = Pip.commands.pop()
    assert command[command.index("install") :][-3:] == ["--require-hashes", "-r", str(ROOT / lock)]


def test_a_source_that_does_not_answer_is_no_all_clear() -> None:
    names = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "https_proxy", "http_proxy", "all_proxy")
    nowhere = {**os.environ, **dict.fromkeys(names, NOBODY), "NO_PROXY": "", "no_proxy": ""}
    done = subprocess.run(
        [str(ROOT / "deploy" / "local" / "advisories.sh")], env=nowhere, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "the source did not answer for each of them" in done.stderr
    assert "127.0.0.1" in done.stderr
