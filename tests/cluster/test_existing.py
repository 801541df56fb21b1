"""Into a cluster that others have: a head of theirs with an application on it, without our environment on its PATH, and
Serve listening as that application wanted.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from serve_app.local.ray_head import BIN
from tests.cluster.nodes import Nodes, head, wait_for
from tests.integration.cluster import ROOT, free_ports
from tests.nodes import clean_environment

TOKEN = "operator-token-of-this-test"
COMMAND_TIMEOUT_S = 240
HELLO = """
from ray import serve


@serve.deployment(ray_actor_options={"num_cpus": 0.01})
class Hello:
    def __call__(self, request):
        return "hello"


app = Hello.bind()
"""


def their_environment(directory: Path) -> Mapping[str, str]:
    """As a team starts its head: by `.venv/bin/ray`, with a PATH on which `python` is some other."""
    (directory / "their_hello.py").write_text(HELLO)
    (directory / "tokens.yaml").write_text("{}\n")
    (directory / "tokens.yaml").chmod(0o600)
    path = os.pathsep.join(each for each in os.environ["PATH"].split(os.pathsep) if each != str(BIN))
    return {
        "PATH": path,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{directory}",
        "SEEDCORE_HOME": str(directory / "home"),
        "SEEDCORE_TOKENS_FILE": str(directory / "tokens.yaml"),
    }


class Existing:
    """The cluster, its neighbour, and our two commands."""

    def __init__(self, nodes: Nodes) -> None:
        self.nodes = nodes
        (self.port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"
        config = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
        self.config = nodes.directory / "serve_config.yaml"
        self.config.write_text(yaml.safe_dump(config, sort_keys=False))

    def deploy_hello(self) -> None:
        """As the neighbour does: its file knows nothing of us, and names no host."""
        hello = {"name": "hello", "import_path": "their_hello:app", "route_prefix": "/hello"}
        config = {"http_options": {"port": self.port}, "applications": [hello]}
        answer = httpx.put(f"{self.nodes.dashboard_url}/api/serve/applications/", json=config, timeout=90)
        assert answer.status_code == 200, answer.text
        wait_for("hello", self.greets)

    def greets(self) -> bool:
        return httpx.get(f"{self.url}/hello", timeout=10).text == "hello"

    def deploy(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Our deploy command, to its end."""
        return self._run("serve_app.deploy", *arguments, "-a", self.nodes.dashboard_url)

    def report(self) -> subprocess.CompletedProcess[str]:
        """Our report command, which is told where the dashboard is."""
        return self._run("serve_app.report", "--url", self.url, "--dashboard", self.nodes.dashboard_url)

    def get(self, path: str) -> Any:
        answer = httpx.get(f"{self.url}{path}", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=20)
        answer.raise_for_status()
        return answer.json()

    def _run(self, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        env = {**clean_environment(), "PYTHONPATH": str(ROOT), "SEEDCORE_HOME": str(self.nodes.directory / "operator")}
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            env={**env, "SEEDCORE_READER_TOKEN": TOKEN},
            cwd=self.nodes.directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
        print(done.stdout, done.stderr)
        return done


@pytest.fixture(scope="module")
def existing() -> Iterator[Existing]:
    with head(their_environment) as nodes:
        made = Existing(nodes)
        made.deploy_hello()
        yield made


def test_before_anything_is_deployed_the_report_says_what_is_there(existing: Existing) -> None:
    done = existing.report()
    assert done.returncode == 3
    assert "Something else is deployed here (hello, RUNNING); SeedCore is not." in done.stderr


def test_without_tokens_it_is_refused_by_what_serve_listens_on(existing: Existing) -> None:
    done = existing.deploy(str(existing.config), "--yes")
    assert done.returncode == 1
    assert "Serve runs here already with host 0.0.0.0" in done.stderr
    assert existing.greets()


def test_ours_is_deployed_beside_it_and_initializes(existing: Existing) -> None:
    (existing.nodes.directory / "tokens.yaml").write_text(f"operator: [{TOKEN}]\n")
    refused = existing.deploy(str(existing.config))
    assert (refused.returncode, "There is no terminal to ask on" in refused.stderr) == (1, True)
    done = existing.deploy(str(existing.config), "--yes")
    assert done.returncode == 0, done.stderr
    assert "  keep    hello" in done.stdout
    assert "Serve runs here already with host 0.0.0.0; http_options.host of the file, '127.0.0.1'" in done.stdout
    assert existing.greets()
    wait_for("ready", lambda: httpx.get(f"{existing.url}/ready", timeout=10).status_code == 200)
    jobs = existing.get("/jobs?kind=coa-initialization")["items"]
    assert {job["outcome"] for job in jobs} == {"succeeded"}


def test_what_serve_ignores_is_a_finding(existing: Existing) -> None:
    found = wait_for(
        "the finding",
        lambda: [each for each in existing.get("/jobs/findings")["items"] if each["rule"] == "ignored-options"],
    )
    assert "host 0.0.0.0" in found[0]["sentence"]


def test_one_goes_back(existing: Existing) -> None:
    config = yaml.safe_load(existing.config.read_text())
    config["applications"][0]["deployments"].append({"name": "Ingress", "user_config": {"task_timeout_s": 7.0}})
    changed = existing.nodes.directory / "changed.yaml"
    changed.write_text(yaml.safe_dump(config, sort_keys=False))
    done = existing.deploy(str(changed), "--yes")
    assert done.returncode == 0, done.stderr
    back = existing.deploy("--previous", "--yes")
    assert back.returncode == 0, back.stderr
    details = httpx.get(f"{existing.nodes.dashboard_url}/api/serve/applications/", timeout=20).json()
    deployed = details["applications"]["seedcore"]["deployed_app_config"]
    assert "Ingress" not in [each["name"] for each in deployed["deployments"]]
    assert existing.greets()


def test_what_a_file_for_all_would_delete_is_shown(existing: Existing) -> None:
    done = existing.deploy(str(existing.config), "--exact")
    assert (done.returncode, "  delete  hello" in done.stdout) == (1, True)
    assert existing.greets()


def test_after_the_neighbours_next_deployment_the_report_says_so(existing: Existing) -> None:
    existing.deploy_hello()

    def is_told() -> bool:
        done = existing.report()
        return done.returncode == 3 and "Something else is deployed here (hello, RUNNING)" in done.stderr

    wait_for("our end", is_told)
