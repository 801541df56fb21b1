"""Which program joins the head of `make up`, by which variables, and what is said when it cannot."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import pytest

from deploy.local import driver_hook
from serve_app.local import processes, ray_head, state
from serve_app.local.state import ProcessMark, UpState
from serve_app.local.wanted import Wanted
from tests.unit.local.test_small_parts import STATE

ROOT = Path(__file__).resolve().parents[3]
GIVEN = {
    "RAY_ADDRESS": "127.0.0.1:6379",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "disabled",
    "RAY_API_SERVER_ADDRESS": "http://127.0.0.1:8265",
    "RAY_DASHBOARD_ADDRESS": "http://127.0.0.1:8265",
}
SET = {name: value for name, value in GIVEN.items() if name != "RAY_AUTH_MODE"}
GONE = (
    "seedcore: the Ray head that `make up` started at 127.0.0.1:6379 is gone. "
    "`make up` starts it again, `make down` forgets it.\n"
)
PREFIX, PACKAGES = "/c/.venv", Path(driver_hook.__file__).resolve().parent


@pytest.mark.parametrize(
    ("argv", "whole_argv", "program", "is_driver"),
    [
        (["script.py", "a"], ["python", "script.py", "a"], "", True),
        (["/elsewhere/ray/script.py"], ["python", "/elsewhere/ray/script.py"], "", True),
        (["-c", "x"], ["python", "-u", "-c", "pass", "x"], "", True),
        ([""], ["python"], "", True),
        (["-", "q"], ["python", "-", "q"], "", True),
        (["/c/script.py"], ["python", "/c/script.py"], "script.py", True),
        (["-m", "--x"], ["python", "-m", "drivers.nightly", "--x"], "drivers", True),
        (["-m"], ["python", "-W", "ignore", "-mserve_app.local.up"], "serve_app", False),
        (["-m", "-q", "tests/unit"], ["python", "-Bm", "pytest", "-q", "tests/unit"], "pytest", False),
        (["-m", "run", "-m", "pytest"], ["python", "-m", "coverage", "run", "-m", "pytest"], "coverage", False),
        (["/c/.venv/bin/coverage", "run", "-m", "pytest"], ["python"], "coverage", False),
        (["-m", "jobs"], ["python", "-m", "tests.bench", "jobs"], "tests", False),
        (["-m"], ["python", "-m", "ray.util.client.server"], "ray", False),
        (["/c/tests/bench/old.py"], ["python", "/c/tests/bench/old.py"], "tests", False),
        (["/c/.venv/bin/pytest"], ["python", "/c/.venv/bin/pytest"], "pytest", False),
        (["/c/.venv/bin/ipython"], ["python", "/c/.venv/bin/ipython"], "ipython", True),
        ([f"{PACKAGES}/ray/_private/workers/default_worker.py"], ["python"], "ray", False),
        ([f"{PACKAGES}/ray/dashboard/dashboard.py", "status"], ["python"], "ray", False),
        (["/c/.venv/bin/ray", "start", "--head"], ["python"], "ray", False),
        (["/c/.venv/bin/ray", "stop"], ["python"], "ray", False),
        (["/c/.venv/bin/ray"], ["python"], "ray", False),
        (["/c/.venv/bin/ray", "job", "submit"], ["python"], "ray", True),
        (["/c/.venv/bin/ray", "status"], ["python"], "ray", True),
        (["/c/.venv/bin/serve", "status"], ["python"], "serve", True),
        (["/c/.venv/bin/serve", "--help"], ["python"], "serve", False),
    ],
)
def test_program(argv: list[str], whole_argv: list[str], program: str, is_driver: bool) -> None:
    assert driver_hook.name_program(argv, whole_argv, PREFIX, "/c") == program
    assert driver_hook.is_driver(argv, program) is is_driver


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, True),
        ({"RAY_DEDUP_LOGS": "0"}, True),
        ({"RAY_ADDRESS": "127.0.0.1:6379"}, True),
        ({"RAY_ADDRESS": "localhost:6379", "RAY_API_SERVER_ADDRESS": "http://localhost:8265"}, True),
        ({"RAY_ADDRESS": "127.0.0.1:6380"}, False),
        ({"RAY_ADDRESS": "auto"}, False),
        ({"RAY_ADDRESS": ""}, False),
        ({"RAY_API_SERVER_ADDRESS": "http://10.0.0.1:8265"}, False),
        ({"RAY_DASHBOARD_ADDRESS": "http://10.0.0.1:8265"}, False),
        ({"RAY_RAYLET_PID": "7"}, False),
        ({"SEEDCORE_UP_HEAD": "/t/other"}, False),
        ({"SEEDCORE_UP_HEAD": "/t/sc-1", "RAY_RAYLET_PID": "7"}, True),
    ],
)
def test_who_means_another_ray_is_left_alone(environ: dict[str, str], expected: bool) -> None:
    assert driver_hook.is_meant(environ, GIVEN, "/t/sc-1") is expected


def test_without_an_address_there_is_nothing_to_join() -> None:
    assert driver_hook.is_meant({}, {}, "/t/sc-1") is False


@pytest.mark.parametrize(
    ("environ", "given", "expected"),
    [
        ({}, GIVEN, SET),
        ({"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1", "RAY_ADDRESS": "localhost:6379"}, {"RAY_ADDRESS": "x"}, {}),
        ({}, {"RAY_ADDRESS": "x", "RAY_AUTH_MODE": "token"}, {"RAY_ADDRESS": "x", "RAY_AUTH_MODE": "token"}),
        ({"RAY_AUTH_MODE": "k8s"}, {"RAY_AUTH_MODE": "token"}, {}),
    ],
)
def test_what_is_set_already_stays(environ: dict[str, str], given: dict[str, str], expected: dict[str, str]) -> None:
    assert driver_hook.missing_variables(environ, given) == expected


def remember(home: Path, *, later_s: float = 0.0, **changes: object) -> UpState:
    """A running head, as `make up` writes it down; this process is all of its processes."""
    (own,) = processes.remember_processes([psutil.Process()])
    started_at_s = own.started_at_s + later_s
    marks = [ProcessMark(pid=own.pid, started_at_s=started_at_s, name=name) for name in ("gcs_server", "raylet")]
    remembered = STATE.model_copy(update={"processes": tuple(marks), **changes})
    home.mkdir()
    state.save(home, remembered)
    wanted = Wanted(8000, 8265, 6379, home, home / "c.yaml", 180.0)
    state.save_driver_file(home, ray_head.render_driver_environment(ray_head.LOCAL, wanted))
    return remembered


def test_a_script_joins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    environ: dict[str, str] = {}
    remember(tmp_path / ".seedcore")
    driver_hook.join(str(tmp_path), environ)
    assert environ == SET
    assert capsys.readouterr() == ("", "")


def rewrite(home: Path, change: Callable[[dict[str, Any]], None]) -> None:
    left = json.loads((home / "up.json").read_text())
    change(left)
    (home / "up.json").write_text(json.dumps(left))


def set_the_clock(left: dict[str, Any]) -> None:
    left["boot"]["booted_at_s"] -= 3600
    for process in left["processes"]:
        process["started_at_s"] -= 3600


def test_a_script_joins_after_the_clock_was_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    environ: dict[str, str] = {}
    remember(tmp_path / ".seedcore")
    rewrite(tmp_path / ".seedcore", set_the_clock)
    driver_hook.join(str(tmp_path), environ)
    assert environ == SET
    assert capsys.readouterr() == ("", "")


def test_a_script_joins_what_an_older_version_started(tmp_path: Path) -> None:
    environ: dict[str, str] = {}
    remember(tmp_path / ".seedcore")
    rewrite(tmp_path / ".seedcore", lambda left: left.pop("boot"))
    driver_hook.join(str(tmp_path), environ)
    assert environ == SET


def test_the_same_times_after_another_boot_are_another_head(tmp_path: Path) -> None:
    environ: dict[str, str] = {}
    remember(tmp_path / ".seedcore")
    rewrite(tmp_path / ".seedcore", set_the_clock)
    rewrite(tmp_path / ".seedcore", lambda left: left["boot"].update(boot_id="another"))
    driver_hook.join(str(tmp_path), environ)
    assert environ == {}


def test_a_second_copy_is_joined_by_its_home(
    tmp_path: Path,
) -> None:
    environ: dict[str, str] = {}
    remember(tmp_path / "second")
    driver_hook.join(str(tmp_path), environ)
    assert environ == {}
    for home in ("second", str(tmp_path / "second")):
        environ.clear()
        environ["SEEDCORE_HOME"] = home
        driver_hook.join(str(tmp_path), environ)
        assert environ == {"SEEDCORE_HOME": home, **SET}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"later_s": 2.0}, GONE),  # the pid is somebody else's now
        ({"later_s": -2.0}, GONE),
        ({"processes": (ProcessMark(pid=2**22 + 1, started_at_s=1.0, name="raylet"),)}, GONE),
        ({"processes": ()}, ""),  # `make up` is at it
        ({"temp_dir": None}, ""),  # a head that was there before
    ],
)
def test_a_head_that_is_gone_is_not_joined(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, object],
    said: str,
) -> None:
    environ: dict[str, str] = {}
    remember(tmp_path / ".seedcore", **changes)
    driver_hook.join(str(tmp_path), environ)
    assert environ == {}
    assert capsys.readouterr() == ("", said)
    environ["RAY_ADDRESS"] = "10.0.0.1:6379"
    driver_hook.join(str(tmp_path), environ)
    assert capsys.readouterr() == ("", "")


def test_nothing_is_said_after_make_down(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    environ: dict[str, str] = {}
    home = tmp_path / ".seedcore"
    remember(home)
    state.forget(home)
    driver_hook.join(str(tmp_path), environ)
    assert (environ, capsys.readouterr(), list(home.iterdir())) == ({}, ("", ""), [])


@pytest.mark.parametrize("name", ["up.json", "ray.env"])
@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_file_that_others_can_write_decides_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, mode: int
) -> None:
    environ: dict[str, str] = {}
    path = tmp_path / ".seedcore" / name
    remember(path.parent)
    path.chmod(mode)
    driver_hook.join(str(tmp_path), environ)
    assert environ == {}
    said = f"seedcore: {path} can be written by others, so no Ray is looked for there; `make down`, then `make up`.\n"
    assert capsys.readouterr() == ("", said)
    environ["RAY_ADDRESS"] = "10.0.0.1:6379"
    driver_hook.join(str(tmp_path), environ)
    assert capsys.readouterr() == ("", "")


def test_a_file_of_somebody_else_decides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environ: dict[str, str] = {}
    remember(tmp_path / ".seedcore")
    monkeypatch.setattr(os, "getuid", lambda: 4711)
    driver_hook.join(str(tmp_path), environ)  # of whom the environment is
    assert environ == SET
    environ.clear()
    monkeypatch.setattr(os, "stat", lambda _: os.stat_result((0, 0, 0, 0, 4712, 0, 0, 0, 0, 0)))
    driver_hook.join(str(tmp_path), environ)
    assert environ == {}
    assert "can be written by others" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', '{"temp_dir": "/t", "processes": [{"pid": "x"}]}'])
def test_what_make_up_did_not_write_is_passed_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    environ: dict[str, str] = {}
    remember(tmp_path / ".seedcore")
    state.find_state_file(tmp_path / ".seedcore").write_text(text)
    driver_hook.join(str(tmp_path), environ)
    assert (environ, capsys.readouterr()) == ({}, ("", ""))


def test_it_acts_once_and_only_when_ray_is_imported(tmp_path: Path) -> None:
    environ: dict[str, str] = {}
    remember(tmp_path / ".seedcore")
    finder = driver_hook.BeforeRay(str(tmp_path), environ)
    for name in ("json", "ray._private", "raylet"):
        finder.find_spec(name)
    assert environ == {}
    finder.find_spec("ray")
    assert environ == SET
    environ.clear()
    finder.find_spec("ray")
    assert environ == {}


@pytest.mark.parametrize(("argv", "count"), [(["script.py"], 1), (["/c/.venv/bin/ray", "start"], 0), ([], 1)])
def test_installed_once(monkeypatch: pytest.MonkeyPatch, argv: list[str], count: int) -> None:
    monkeypatch.setattr(sys, "meta_path", [])
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setattr(sys, "prefix", PREFIX)
    driver_hook.install("/c")
    driver_hook.install("/c")
    assert len(sys.meta_path) == count


def test_it_needs_nothing_but_the_standard_library() -> None:
    tree = ast.parse(Path(driver_hook.__file__).read_text())
    names = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    assert sorted(str(name) for name in names) == ["__future__", "collections.abc", "json", "os", "sys"]
    assert driver_hook.MARKER == processes.MARKER


@pytest.fixture
def bootstrap(tmp_path: Path) -> Iterator[ModuleType]:
    """The program, for a checkout in ``tmp_path`` whose environment is nothing but folders."""
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "deploy" / "local" / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    packages = tmp_path / "né" / ".venv" / "lib" / "python3.11" / "site-packages"
    packages.mkdir(parents=True)
    module.CHECKOUT, module.VENV = tmp_path / "né", tmp_path / "né" / ".venv"
    before = os.umask(0)
    yield module
    os.umask(before)


def test_the_environment_gets_the_hook(bootstrap: ModuleType) -> None:
    (packages,) = bootstrap.VENV.glob("lib/*/site-packages")
    bootstrap._link_project()
    call = f"import seedcore_driver_hook; seedcore_driver_hook.install({str(bootstrap.CHECKOUT)!a})\n"
    expected = {
        "seedcore-serve-checkout.pth": f"{bootstrap.CHECKOUT}\n",
        "seedcore-serve-driver.pth": call,
        "seedcore_driver_hook.py": Path(driver_hook.__file__).read_text(),
    }
    assert {path.name: path.read_text() for path in packages.iterdir()} == expected
    assert {path.stat().st_mode & 0o777 for path in packages.iterdir()} == {0o644}
    written = {path.name: path.stat().st_ino for path in packages.iterdir()}
    bootstrap._link_project()
    assert {path.name: path.stat().st_ino for path in packages.iterdir()} == written
    (packages / "seedcore-serve-driver.pth").chmod(0o664)
    (packages / "seedcore_driver_hook.py").write_text("older")
    bootstrap._link_project()
    assert {path.name: path.read_text() for path in packages.iterdir()} == expected
    assert {path.stat().st_mode & 0o777 for path in packages.iterdir()} == {0o644}


def test_pythons_start_survives_the_hook(bootstrap: ModuleType) -> None:
    (packages,) = bootstrap.VENV.glob("lib/*/site-packages")
    bootstrap._link_project()
    code = f"import site, sys; site.addsitedir({str(packages)!r}); site.addsitedir({str(packages)!r}); "
    code += "print([type(each).__name__ for each in sys.meta_path].count('BeforeRay'))"
    done = subprocess.run([sys.executable, "-ISc", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("1\n", "")
