"""The endpoints that are recorded, and the files that their answers become, without the names of this machine."""

from __future__ import annotations

import getpass
import json
import re
import socket
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import ray

from tests.record.cluster import Cluster

OUT = Path(__file__).parents[1] / "unit" / "recorded" / f"ray-{'.'.join(ray.__version__.split('.')[:2])}"
MAX_BYTES = 400_000


def _equal(key: str, value: str) -> dict[str, str]:
    return {"filter_keys": key, "filter_predicates": "=", "filter_values": value}


ENDPOINTS = {
    "version": ("/api/version", {}),
    "jobs": ("/api/jobs/", {}),
    "drivers": ("/api/v0/workers", {"detail": "True", "limit": "10000", **_equal("worker_type", "DRIVER")}),
    "actors": ("/api/v0/actors", {"limit": "10000"}),
    "pending_actors": (
        "/api/v0/actors",
        {"detail": "True", "limit": "10000", **_equal("state", "PENDING_CREATION")},
    ),
    "nodes": ("/api/v0/nodes", {"detail": "True", "limit": "10000"}),
    "serve": ("/api/serve/applications/", {}),
    "cluster_status": ("/api/cluster_status", {}),
    "node_use": ("/nodes", {"view": "summary"}),
}


def record_answers(scenario: str, cluster: Cluster, **more: Any) -> None:
    """Write what every endpoint says now, ``tasks`` (by job id), ``moment`` (when), and ``more``; say how large."""
    answers = {"moment": {"taken_at_ms": round(time.time() * 1000)}}
    answers |= {name: cluster.get(path, params) for name, (path, params) in ENDPOINTS.items()}
    answers |= {"tasks": _tasks(cluster), "node_use": _measured(answers["node_use"]), **more}
    directory = OUT / scenario
    directory.mkdir(parents=True, exist_ok=True)
    size = sum(save(name, answer, cluster.directory, directory) for name, answer in answers.items())
    print(f"{directory}: {size} bytes")
    if size > MAX_BYTES:
        raise SystemExit("too large to keep in the repository")


def record_node_use(scenario: str, cluster: Cluster) -> None:
    """Write what the agents of the nodes measured last, and nothing else."""
    path, params = ENDPOINTS["node_use"]
    (OUT / scenario).mkdir(parents=True, exist_ok=True)
    save("node_use", _measured(cluster.get(path, params)), cluster.directory, OUT / scenario)


def save(name: str, answer: Any, directory: Path, out: Path, *, by_line: bool = False) -> int:
    """Write one answer without the names of this machine and its ``directory``; returns its size.

    ``by_line``: it is a list, and each of it has a line of its own.
    """
    lines = [json.dumps(each, sort_keys=True) for each in answer] if by_line else []
    text = "[\n" + ",\n".join(lines) + "\n]" if by_line else json.dumps(answer, indent=1, sort_keys=True)
    for word, instead in _replacements(directory):
        text = re.sub(rf"(?<![\w.]){re.escape(word)}(?![\w])" if word[0] != "/" else re.escape(word), instead, text)
    # Too short to be replaced wherever it stands, a name is still a name in its own field.
    text = re.sub(r'"hostname": "[^"]+"', '"hostname": "head.example"', text)
    (out / f"{name}.json").write_text(text + "\n")
    return len(text)


def _measured(answer: Any) -> Any:
    """The summary of nodes without its processes, whose command lines tell about this machine and are not read."""
    kept = ("nodeId", "nodeManagerAddress", "state", "isHeadNode")
    for node in answer["data"]["summary"]:
        node["raylet"] = {name: node["raylet"][name] for name in kept if name in node["raylet"]}
        for process in ("agent", "cmdline", "gcs", "workers"):
            node.pop(process, None)
    return answer


def _tasks(cluster: Cluster) -> dict[str, Any]:
    """Summaries of the tasks of each job that has any."""
    found = {}
    for job_id in sorted(row["job_id"] for row in cluster.jobs() if row["job_id"]):
        params = {**_equal("job_id", job_id), "summary_by": "func_name"}
        answer = cluster.get("/api/v0/tasks/summarize", params)
        if answer["data"]["result"]["num_filtered"]:
            found[job_id] = answer
    return found


def _replacements(directory: Path) -> list[tuple[str, str]]:
    """What must not leave this machine, longest first."""
    addresses = {
        each.address
        for interface in psutil.net_if_addrs().values()
        for each in interface
        if each.family == socket.AF_INET and each.address != "127.0.0.1"
    }
    places = {
        str(directory): "/tmp/recorded",
        sys.executable: "/opt/python/bin/python",
        sys.prefix: "/opt/python",
        sys.base_prefix: "/opt/base",
        str(Path(__file__).resolve().parents[2]): "/srv/seedcore",
        str(Path.home()): "/home/user",
    }
    names = {socket.gethostname(): "head.example", socket.getfqdn(): "head.example", getpass.getuser(): "user"}
    # It is everybody's name, and a word of answers.
    names.pop("root", None)
    found = {**dict.fromkeys(addresses, "192.0.2.1"), **places, **names}
    return sorted(((word, instead) for word, instead in found.items() if len(word) > 2), key=lambda pair: -len(pair[0]))
