"""A newcomer's script beside `make up`: the environment's Python, nothing sourced, and a token of Ray's in the home."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.bench.head import Head
from tests.integration.cluster import ROOT, Cluster
from tests.nodes import clean_environment

SCRIPT = """
import json, sys
import ray

ray.init(*sys.argv[1:], log_to_driver=False)
answer = ray.get(ray.remote(num_cpus=0)(lambda: 42).remote())
print(json.dumps([ray.get_runtime_context().gcs_address, answer]))
"""
LOOK = """
import importlib.util, json, os
importlib.util.find_spec("ray")
print(json.dumps({name: value for name, value in os.environ.items() if name.startswith("RAY_")}))
"""
TIMEOUT_S = 90.0  # far more than the two seconds it takes, and less than Ray waits for a GCS that is not there


@dataclass(frozen=True)
class Checkout:
    """A checkout with an environment like that of `make up`, and the home of a user."""

    directory: Path
    home: Path

    @property
    def environ(self) -> dict[str, str]:
        """What a fresh shell has."""
        return {"PATH": os.environ["PATH"], "HOME": str(self.home)}

    def run(self, *command: str, environ: dict[str, str] | None = None) -> str:
        """Standard output of a program of the environment; fails when it fails."""
        program = str(self.directory / ".venv" / "bin" / command[0])
        done = subprocess.run(
            [program, *command[1:]],
            env=self.environ if environ is None else environ,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
        return done.stdout

    def look(self, environ: dict[str, str] | None = None) -> dict[str, str]:
        """Ray's variables in a script that has just looked for Ray."""
        found: dict[str, str] = json.loads(self.run("python", "-c", LOOK, environ=environ))
        return found


@pytest.fixture(scope="module")
def checkout(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Its `.seedcore` is the home of the session's cluster."""
    made = make_checkout(tmp_path_factory.mktemp("checkout"))
    (made.directory / ".seedcore").symlink_to(cluster.home)
    return made


def make_checkout(directory: Path) -> Checkout:
    """An environment of its own, with the packages of this one, prepared by the program that `make up` begins with."""
    environment = directory / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True, timeout=TIMEOUT_S)
    (packages,) = environment.glob("lib/python*/site-packages")
    installed = importlib.util.find_spec("ray")
    assert installed is not None
    assert installed.origin is not None
    (packages / "installed.pth").write_text(f"{Path(installed.origin).parents[1]}\n")
    for name in ("ray", "serve"):
        lines = (Path(sys.executable).parent / name).read_text().splitlines(keepends=True)
        command = environment / "bin" / name
        command.write_text("".join([f"#!{environment / 'bin' / 'python'}\n", *lines[1:]]))
        command.chmod(0o755)
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "deploy" / "local" / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    bootstrap = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bootstrap)
    bootstrap.CHECKOUT, bootstrap.VENV = directory, environment
    bootstrap._link_project()
    home = directory / "user"
    leave_token(home)
    (home / "script.py").write_text(SCRIPT)
    return Checkout(directory, home)


def leave_token(home: Path) -> None:
    """What Ray leaves in the home of whoever once called `ray.init()` without a cluster."""
    (home / ".ray").mkdir(parents=True)
    (home / ".ray" / "auth_token").write_text("7" * 64)


@pytest.mark.parametrize("address", [None, "auto", "127.0.0.1", "localhost"])
def test_a_plain_script_joins(cluster: Cluster, checkout: Checkout, address: str | None) -> None:
    port = cluster.ray_address.partition(":")[2]
    arguments = [] if address is None else [address if address == "auto" else f"{address}:{port}"]
    assert json.loads(checkout.run("python", "script.py", *arguments)) == [cluster.ray_address, 42]


def test_the_commands_of_ray_ask_this_cluster(cluster: Cluster, checkout: Checkout) -> None:
    checkout.run("ray", "job", "submit", "--submission-id", "plainly-submitted", "--", "python", "-c", "'print(1)'")
    (row,) = [row for row in cluster.jobs() if row["submission_id"] == "plainly-submitted"]
    assert row["status"] == "SUCCEEDED"
    assert "seedcore:" in checkout.run("serve", "status")


def test_what_the_user_says_stays(cluster: Cluster, checkout: Checkout) -> None:
    for elsewhere in ({"RAY_ADDRESS": "10.0.0.1:6379"}, {"RAY_ADDRESS": ""}):
        assert checkout.look({**checkout.environ, **elsewhere}) == elsewhere
    said = {"RAY_ADDRESS": cluster.ray_address, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1"}
    addresses = dict.fromkeys(("RAY_API_SERVER_ADDRESS", "RAY_DASHBOARD_ADDRESS"), cluster.dashboard_url)
    assert checkout.look({**checkout.environ, **said}) == {**said, **addresses}


@pytest.fixture
def head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Head]:
    """A head of the benchmarks, started by a user with a token."""
    leave_token(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    with Head({}) as started:
        yield started


def test_a_head_of_the_benchmarks_starts_beside_a_token(cluster: Cluster, checkout: Checkout, head: Head) -> None:
    assert head.serve_status() == {}
    # Neither is taken for the other.
    assert checkout.look(head.environment) == {
        name: value for name, value in head.environment.items() if name.startswith("RAY_")
    }
    assert checkout.look()["RAY_ADDRESS"] == cluster.ray_address


def test_a_second_copy_is_left_alone(cluster: Cluster, tmp_path: Path) -> None:
    second = make_checkout(tmp_path)
    assert second.look() == {}
    assert second.look({**second.environ, "SEEDCORE_HOME": str(cluster.home)})["RAY_ADDRESS"] == cluster.ray_address


def test_a_head_that_is_gone_is_told_at_once(cluster: Cluster, tmp_path: Path) -> None:
    make_checkout(tmp_path)
    home = tmp_path / ".seedcore"
    home.mkdir()
    state = json.loads((cluster.home / "up.json").read_text())
    for process in state["processes"]:
        process["started_at_s"] -= 60
    for name, text in (("up.json", json.dumps(state)), ("ray.env", (cluster.home / "ray.env").read_text())):
        (home / name).touch(mode=0o600)
        (home / name).write_text(text)
    done = subprocess.run(
        [str(tmp_path / ".venv" / "bin" / "python"), "-c", LOOK],
        env=clean_environment(), capture_output=True, text=True, timeout=TIMEOUT_S, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout) == {}
    assert done.stderr == (
        f"seedcore: the Ray head that `make up` started at {cluster.ray_address} is gone. "
        "`make up` starts it again, `make down` forgets it.\n"
    )
