"""``circles``: attempts that fail again and again, each kind with its innocent twin, as Ray's tables tell of them."""

from __future__ import annotations

import re
import time
from typing import Any

import psutil

from tests.record.answers import OUT, save
from tests.record.cluster import Cluster
from tests.record.nodes import head, wait

_GB = 1_000_000_000
_SCENARIO = "circles"
_READ_OF_WORKERS = ("worker_id", "pid", "node_id", "exit_type", "exit_detail")
# A line of that list that is neither Ray's nor of the programs here.
_USER = re.compile(r"^(?P<amount>\d+\t[\d.]+\t)(?!ray::|.*-c import os, signal).*$", re.MULTILINE)
# By case: a task that takes what it can; a driver that holds so much that others are killed for it.
_GREEDY = """
@ray.remote(num_cpus=0, max_retries=1)
def shard(n):
    kept = []
    while True:
        kept.append(bytearray(b'x' * 50_000_000))
        time.sleep(0.02)
ray.get(shard.remote(1))
"""
_HOARD = """
kept = [bytearray(b'x' * 50_000_000) for _ in range(32)]
print('holds', flush=True)
time.sleep(600)
"""
_MODEST = """
@ray.remote(num_cpus=0, max_retries=1)
def count(n):
    kept = []
    while True:
        kept.append(bytearray(b'x' * 10_000_000))
        time.sleep(0.05)
ray.get(count.remote(1))
"""
_OTHERS = {
    "raises": """
@ray.remote(max_retries=-1, retry_exceptions=True, num_cpus=0)
def clean(n):
    time.sleep(1)
    raise ValueError(f'bad row {n}')
ray.get(clean.remote(3))
""",
    "exits": """
@ray.remote(max_restarts=-1, max_task_retries=0, num_cpus=0)
class Counter:
    def count(self):
        os._exit(3)
counter = Counter.remote()
while True:
    try:
        ray.get(counter.count.remote())
    except ray.exceptions.RayError:
        time.sleep(1)
""",
    "crashes": """
@ray.remote(max_retries=-1, num_cpus=0)
def decode():
    time.sleep(1)
    os.kill(os.getpid(), signal.SIGSEGV)
ray.get(decode.remote())
""",
    "flaky": """
@ray.remote(max_retries=5, retry_exceptions=True, num_cpus=0)
def fetch(path):
    tried = len(open(path).read()) if os.path.exists(path) else 0
    open(path, 'a').write('x')
    if tried < 2:
        raise OSError('not yet')
    return tried
print(ray.get(fetch.remote(os.path.abspath('tried'))), flush=True)
@ray.remote(max_restarts=5, max_task_retries=0, num_cpus=0)
class Worker:
    def work(self, n):
        if n % 4 == 3:
            os._exit(1)
        return n
worker = Worker.remote()
for n in range(1000):
    try:
        ray.get(worker.work.remote(n))
    except ray.exceptions.RayError:
        pass
    time.sleep(1)
""",
    "mixed": """
@ray.remote(max_retries=0, num_cpus=0)
def score(n):
    if n % 3 == 0:
        raise ValueError(n)
    return n
for n in range(1000):
    try:
        ray.get(score.remote(n))
    except ray.exceptions.RayError:
        pass
    time.sleep(0.5)
""",
}


def record() -> None:
    """Write the tables while a greedy task and a hoarding driver are at work, and while the others are."""
    memory = psutil.virtual_memory()
    threshold = (memory.total - memory.available + 2.4 * _GB) / memory.total
    env = {"RAY_memory_usage_threshold": f"{threshold:.3f}", "RAY_memory_monitor_refresh_ms": "100"}
    answers: dict[str, Any] = {}
    with head(env) as cluster:
        greedy = cluster.spawn("greedy", _GREEDY)
        wait(lambda: _count_failed(cluster, "shard") >= 3, "three kills of the greedy", 120)
        answers["greedy"] = _read(cluster)
        greedy.kill()
        greedy.wait()
        hoard = cluster.spawn("hoard", _HOARD)
        wait(lambda: "holds" in (cluster.directory / "hoard.log").read_text(), "the hoard")
        modest = cluster.spawn("modest", _MODEST)
        wait(lambda: _count_failed(cluster, "count") >= 3, "three kills of the modest", 120)
        answers["hoard"] = _read(cluster)
        for process in (hoard, modest):
            process.kill()
            process.wait()
        for case, code in _OTHERS.items():
            cluster.spawn(case, code)
        wait(lambda: _count_failed(cluster, "decode") >= 4, "four crashes", 120)
        time.sleep(12)
        answers["others"] = _read(cluster)
        directory = OUT / _SCENARIO
        directory.mkdir(parents=True, exist_ok=True)
        print(directory, sum(save(name, answer, cluster.directory, directory) for name, answer in answers.items()))


def _count_failed(cluster: Cluster, name: str) -> int:
    return sum(row["name"] == name and row["state"] == "FAILED" for row in cluster.list_rows("tasks"))


def _read(cluster: Cluster) -> dict[str, Any]:
    tables = {table: cluster.list_rows(table) for table in ("tasks", "actors", "workers")}
    for row in tables["tasks"]:
        # Long, the same in all, and not read.
        for name in ("runtime_env_info", "profiling_data", "task_log_info", "fallback_strategy", "events"):
            row.pop(name, None)
        row["error_message"] = scrub(row["error_message"])
    # Of those that died the ones that a task or an actor names, with the columns that are read.
    named = {row["worker_pid"] for row in tables["tasks"]} | {row["pid"] for row in tables["actors"]}
    tables["workers"] = [
        {name: scrub(row[name]) if name == "exit_detail" else row[name] for name in _READ_OF_WORKERS}
        for row in tables["workers"]
        if row["pid"] in named
    ]
    return {"taken_at_ms": round(time.time() * 1000), "jobs": cluster.jobs(), **tables}


def scrub(text: str | None) -> str | None:
    """Ray's list of who has most memory, without the names of what else ran on this machine."""
    return None if text is None else _USER.sub(r"\g<amount>python other.py", text)
