"""What an exit code of 0 hides, on a real cluster: each trouble, and the twin that must stay as it is."""

from __future__ import annotations

import shlex
import sys
from typing import Any

import pytest

from tests.integration.cluster import Cluster, kill, wait_for
from tests.integration.jobs.test_judging import judged, submit

PY = shlex.quote(sys.executable)
BEGIN = "import ray, sys, time; ray.init()"
RAISES = f"{BEGIN}; raise ValueError('shard 7 has no labels')"
WORKS = f"{BEGIN}\nf = ray.remote(num_cpus=0.1)(lambda: 1)\nprint(ray.get([f.remote() for _ in range(5)]))"
LEAVES = f"{BEGIN}\nf = ray.remote(num_cpus=0.1)(lambda: time.sleep(60))\nrefs = [f.remote() for _ in range(5)]"
HANDS_OVER = f"""
{BEGIN}
class Service:
    def run(self):
        time.sleep(600)
Service = ray.remote(num_cpus=0)(Service)
service = Service.options(name="zoo-service", lifetime="detached", namespace="zoo").remote()
ray.get(service.__ray_ready__.remote())
service.run.remote()
time.sleep(1)
"""
CRASHES_LATE = f"{WORKS}\nimport atexit, os\ndef end(): os.abort()\natexit.register(end)"
CRASHES_EARLY = f"{WORKS}\nimport os\nos.abort()"


@pytest.fixture(scope="module")
def program(cluster: Cluster) -> Any:
    """Writes a program and gives the command that runs it."""

    def write(name: str, code: str) -> str:
        path = cluster.home / f"{name}.py"
        path.write_text(code)
        return f"{PY} {shlex.quote(str(path))}"

    return write


def command(shell: str) -> str:
    return f"bash -c {shlex.quote(shell)}"


DRIVER, TASKS = ("contradicted", "WARN", "contradicted-driver"), ("contradicted", "WARN", "contradicted-tasks")
FINE = ("succeeded", "OK", "succeeded")
CASES = [
    ("exit-tee", RAISES, "{} 2>&1 | tee /dev/null", {}, DRIVER),
    ("exit-or-true", RAISES, "{} || true", {}, DRIVER),
    ("exit-fine", WORKS, "{} 2>&1 | tee /dev/null", {}, FINE),
    ("exit-failed", RAISES, "{}", {}, ("failed", "BAD", "failed")),
    ("exit-leaves", LEAVES, "{}", {}, TASKS),
    ("exit-may-leave", LEAVES, "{}", {"seedcore.may_leave_tasks": "true"}, FINE),
    ("exit-hands-over", HANDS_OVER, "{}", {}, FINE),
    ("exit-crash-late", CRASHES_LATE, "{}", {}, DRIVER),
    ("exit-crash-early", CRASHES_EARLY, "{}", {}, ("failed", "BAD", "failed")),
]


def test_what_an_exit_code_hides(cluster: Cluster, program: Any) -> None:
    for id, code, shell, metadata, _ in CASES:
        submit(cluster, id, command(shell.format(program(id, code))), metadata=metadata)
    wanted = {id: verdict for id, *_, verdict in CASES}

    def seen() -> dict[str, Any]:
        return {id: judged(cluster, id) for id in wanted}

    try:
        wait_for("all verdicts", lambda: seen() == wanted, 120, 1)
    except AssertionError:
        assert seen() == wanted
    # What is not contradictory stays so when the tables have told all that they tell.
    assert [cluster.get(f"/jobs/{id}")["reason"] for id in ("exit-fine", "exit-hands-over")] == [
        "Its entrypoint exited with code 0."
    ] * 2
    reason = cluster.get("/jobs/exit-leaves")["reason"]
    assert "5 of its 5 tasks (" in reason, reason
    code = wait_for("its diagnosis", lambda: cluster.get("/jobs/exit-tee")["code"], 30)
    assert code == "app.exception"
    counts = cluster.get("/jobs/summary", window="1h")["jobs"]
    assert counts["contradicted"] >= 4


def test_each_attempt_of_a_loop_is_told(cluster: Cluster, program: Any) -> None:
    marker = cluster.home / "attempts"
    flaky = (
        f"import ray, pathlib; ray.init(); p = pathlib.Path({str(marker)!r}); n = len(p.read_text()) if p.exists() "
        "else 0; p.write_text('x' * (n + 1)); 1 / (n > 1)"
    )
    submit(cluster, "exit-loop", command(f"until {program('flaky', flaky)}; do sleep 0.2; done"))
    wait_for("its end", lambda: judged(cluster, "exit-loop") == FINE, 120)
    row = cluster.get("/jobs/exit-loop")
    assert [each["by_exception"] for each in row["drivers"]] == [True, True, False]
    assert "2 of its 3 drivers did not end well" in row["reason"]
    first = row["drivers"][0]
    assert "flaky.py" in first["exception_frames"]
    assert cluster.get(f"/jobs/{first['job_id']}")["id"] == "exit-loop"
    listed = [each["id"] for each in cluster.get("/jobs", limit=500)["items"]]
    assert not {each["job_id"] for each in row["drivers"]} & set(listed)


def test_what_a_first_driver_left_is_its_submissions(cluster: Cluster, program: Any) -> None:
    """A first driver with a detached actor, which holds one without a name; then a second driver."""
    code = """
import ray
@ray.remote(num_cpus=0)
class Child: pass
@ray.remote(num_cpus=0)
class Cache:
    def grow(self):
        self.child = Child.remote()
        ray.get(self.child.__ray_ready__.remote())
ray.init(namespace="first")
cache = Cache.options(name="zoo-cache", lifetime="detached").remote()
ray.get(cache.grow.remote())
ray.shutdown()
ray.init(namespace="second")
"""
    submit(cluster, "exit-twice", program("twice", code))
    wait_for("its end", lambda: judged(cluster, "exit-twice") == FINE, 60)
    row = cluster.get("/jobs/exit-twice")
    assert (len(row["drivers"]), row["actors"]["total"]) == (2, 2)
    try:

        def left() -> list[dict[str, Any]]:
            items = cluster.get("/cluster/leftovers")["items"]
            return [each for each in items if each["subject_id"] == "exit-twice"]

        (found,) = wait_for("the leftover", left, 120)
        assert found["sentence"] == "It is over, and 2 of its actors live on: Child, zoo-cache."
        assert "ray.kill(ray.get_actor('zoo-cache', 'first'))" in found["action"]
        assert "those without a name end with the one that holds them" in found["action"]
    finally:
        cluster.run_driver("import ray; ray.init(namespace='first'); ray.kill(ray.get_actor('zoo-cache'))")
    wait_for("both to be gone", lambda: not left(), 60)


def test_a_driver_that_lives_on_is_named(cluster: Cluster, program: Any) -> None:
    long = program("long", f"{BEGIN}; time.sleep(600)")
    submit(cluster, "exit-background", command(f"setsid nohup {long} > /dev/null 2>&1 < /dev/null & sleep 6"))
    wait_for("the verdict", lambda: judged(cluster, "exit-background") == ("running", "WARN", "driver-lives-on"), 60)
    row = cluster.get("/jobs/exit-background")
    (driver,) = row["drivers"]
    try:
        assert (driver["alive"], f"pid {driver['pid']} on " in row["reason"]) == (True, True)
        assert "exit-background" in [each["id"] for each in cluster.get("/jobs", outcome="running")["items"]]
        with cluster.api() as api:
            refused = api.post("/jobs/exit-background/stop", json={"wait_s": 1})
        assert (refused.status_code, refused.json()["code"]) == (409, "driver_lives_on")
        assert refused.json()["pid"] == driver["pid"]
    finally:
        kill(driver["pid"])
    # Killed by somebody, so it did not end well.
    wait_for("its end", lambda: judged(cluster, "exit-background") == DRIVER, 30)


def test_a_stop_of_what_ends_by_an_exception_is_over(cluster: Cluster, program: Any) -> None:
    raises = f"{BEGIN}\nimport signal\ndef end(*_): raise OSError(15)\nsignal.signal(15, end)\ntime.sleep(600)"
    submit(cluster, "exit-on-signal", program("on_signal", raises))
    wait_for("its driver", lambda: cluster.get("/jobs/exit-on-signal")["job_id"], 60)
    with cluster.api() as api:
        done = api.post("/jobs/exit-on-signal/stop", json={"wait_s": 15})
    assert (done.status_code, done.json()["stopped"], done.json()["driver_gone"]) == (200, True, True), done.text
    submit(cluster, "exit-plain", program("plain", RAISES))
    wait_for("its end", lambda: judged(cluster, "exit-plain")[0] == "failed", 60)
    with cluster.api() as api:
        again = api.post("/jobs/exit-plain/stop", json={"wait_s": 3})
    assert (again.status_code, again.json()["already"]) == (200, True), again.text
