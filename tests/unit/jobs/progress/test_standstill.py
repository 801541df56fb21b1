"""From a trail and the tables beside it to a motion: whole values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from serve_app.jobs.models import Known, Unknown
from serve_app.jobs.motion import AwaitedWork, Circle, Motion, Standstill
from serve_app.jobs.progress.looks.trail import Trail
from serve_app.jobs.progress.looks.waits import Scene
from serve_app.jobs.progress.models import DriverFacts, GroupFacts, HeldReference
from serve_app.jobs.progress.standstill import SeenJob, describe_serving, find_motion
from tests.unit.jobs.progress.examples import at, has, held, look, work
from tests.unit.jobs.progress.looks.examples import actor, call, task, trail

DRIVER = DriverFacts(7, "n", alive=True, node_alive=True)
COMMON: dict[str, Any] = {"looked_at": at(20), "pid": 7, "node_id": "n", "cores": 0.0, "unfinished": 0}
QUIET: dict[str, Any] = {**COMMON, "quiet_since": at(0), "spoke_at": at(0)}
NOWHERE = held("p", GPU=1)
SENTENCE = "task p needs 1 GPU; the most that one node has: 0 GPU"
HELD = AwaitedWork("task", "p", "p", SENTENCE, at(-100))


def seen(*tasks: Any, scene: bool = True, **changes: Any) -> SeenJob:
    sections = {name: changes.pop(name) for name in ("actors", "groups", "free", "nodes") if name in changes}
    made = SeenJob(
        "python train.py", True, DRIVER, look(work=work(*tasks), **sections), Scene(tasks) if scene else None
    )
    return replace(made, **changes)


@pytest.mark.parametrize(
    ("followed", "job", "expected"),
    [
        # It moves.
        (trail(20), seen(), Motion(**{**COMMON, "spoke_at": at(20)})),
        # Only a processor is in use.
        (
            trail(20, spoke_at=at(5), busy_cores=0.9),
            seen(),
            Motion(**{**COMMON, "spoke_at": at(5), "cores": 0.9}, standstill=Standstill.BUSY),
        ),
        (
            trail(20, busy_cores=0.9),
            seen(),
            Motion(**{**COMMON, "spoke_at": at(20), "cores": 0.9}),
        ),
        # Nothing is known to be in its way.
        (trail(), seen(), Motion(**QUIET, standstill=Standstill.RESTING)),
        (trail(), seen(scene=False), Motion(**QUIET, standstill=Standstill.RESTING)),
        (
            trail(),
            seen(task("t", pid=5)),
            Motion(
                **{**QUIET, "unfinished": 1},
                standstill=Standstill.RESTING,
                waits_for=(AwaitedWork("task", "work", "t", "RUNNING", at(0), 5, "n", "the driver", "01000000"),),
            ),
        ),
        # What no node has; what is in use; what is being placed.
        (
            trail(),
            seen(NOWHERE),
            Motion(
                **{**QUIET, "unfinished": 1}, standstill=Standstill.PROVEN, code="scheduling.infeasible", proof="never",
                waits_for=(HELD,), waits_for_resources=True, waits_since=at(0),
            ),
        ),
        # The same of one whose driver prints meanwhile, or works: since its tasks changed, and no standstill.
        (
            trail(20, worked_at=at(3)),
            seen(NOWHERE),
            Motion(
                **{**COMMON, "spoke_at": at(20), "unfinished": 1}, code="scheduling.infeasible", proof="never",
                waits_for=(HELD,), waits_for_resources=True, waits_since=at(3),
            ),
        ),
        (
            trail(20, worked_at=at(3), spoke_at=at(3), busy_cores=0.9),
            seen(NOWHERE),
            Motion(
                **{**COMMON, "spoke_at": at(3), "unfinished": 1, "cores": 0.9}, standstill=Standstill.BUSY,
                code="scheduling.infeasible", proof="never", waits_for=(HELD,), waits_for_resources=True,
                waits_since=at(3),
            ),
        ),
        (
            trail(),
            seen(held("p", CPU=4), free=Known({})),
            Motion(
                **{**QUIET, "unfinished": 1}, standstill=Standstill.RESTING, code="scheduling.waiting",
                waits_for=(
                    AwaitedWork("task", "p", "p", "task p waits for 4 CPU; free in the whole cluster: 0 CPU", at(-100)),
                ),
                waits_for_resources=True, waits_since=at(0),
            ),
        ),
        (
            trail(),
            seen(groups=Known((GroupFacts("g", "", "PENDING", ({"CPU": 9.0},)),))),
            Motion(
                **QUIET, standstill=Standstill.PROVEN, code="scheduling.placement-group", proof="never",
                waits_for=(
                    AwaitedWork(
                        "placement-group", "", "g",
                        "placement group g is PENDING with 9 CPU; the most that one node has: 4 CPU",
                    ),
                ),
                waits_for_resources=True, waits_since=at(0),
            ),
        ),
        # Some of it has no place, and some of it works, or sleeps: that is looked at.
        (
            trail(),
            seen(NOWHERE, task("t", pid=5)),
            Motion(
                **{**QUIET, "unfinished": 2}, standstill=Standstill.RESTING,
                waits_for=(
                    AwaitedWork("task", "p", "p", "PENDING_NODE_ASSIGNMENT", at(-100)),
                    AwaitedWork("task", "work", "t", "RUNNING", at(0), 5, "n", "the driver", "01000000"),
                ),
            ),
        ),
        # Its driver is gone, and Ray has not noticed.
        (
            trail(),
            seen(driver=replace(DRIVER, alive=False, ended_at=at(1))),
            Motion(
                **QUIET, standstill=Standstill.PROVEN, proof="gone",
                waits_for=(AwaitedWork("task", "its driver", "", "ended", at(1), 7, "n"),),
            ),
        ),
        (
            trail(),
            seen(driver=replace(DRIVER, node_alive=False)),
            Motion(
                **QUIET, standstill=Standstill.PROVEN, code="node.died", proof="gone",
                waits_for=(AwaitedWork("task", "its driver", "", "on a node that is not alive", None, 7, "n"),),
            ),
        ),
        # It never joined Ray.
        (
            trail(log_bytes=9),
            seen(joined=False, last_line="begins", look=look(work=Unknown("it has not connected"))),
            Motion(
                **{**QUIET, "unfinished": None}, standstill=Standstill.UNSEEN, log_bytes=9, last_line="begins",
            ),
        ),
        # What is told elsewhere goes through.
        (
            trail(20),
            seen(circles=(Circle("task", "t", "f", 3, None, None, "c", "E", "x", False),), repaired=2, stopped=True),
            Motion(
                **{**COMMON, "spoke_at": at(20)}, repaired=2, paused=True,
                circles=(Circle("task", "t", "f", 3, None, None, "c", "E", "x", False),),
            ),
        ),
    ],
)  # fmt: skip
def test_a_motion(followed: Trail, job: SeenJob, expected: Motion) -> None:
    assert find_motion(followed, job) == expected


def test_a_proof_of_who_waits_for_whom_counts_only_of_a_job_that_rests() -> None:
    barrier, other = call("c", "a", "Rank.barrier", pid=5), call("d", "b", "Rank.barrier", pid=6)
    ranks = (actor("a", "Rank"), actor("b", "Rank"), actor("c", "Rank"))
    job = replace(seen(barrier), scene=Scene((barrier, other), ranks))
    assert (find_motion(trail(), job).proof, find_motion(trail(), job).code) == ("rank", "app.get-timeout")
    assert find_motion(trail(20), job).proof == ""
    # Ranks listen for each other: that is no service.
    assert not find_motion(trail(), replace(job, unlooked=True)).may_serve
    assert find_motion(trail(), replace(seen(barrier), unlooked=True)).may_serve
    assert find_motion(trail(), replace(job, listens=29500)).serving == ""
    assert find_motion(trail(), replace(job, entrypoint="ipython")).serving != ""
    assert find_motion(trail(), replace(seen(barrier), listens=29500)).serving != ""


MADE, ELSEWHERE = (HeldReference(7, "e" * 40 + id) for id in ("01000000", "02000000"))


@pytest.mark.parametrize(
    ("references", "proof"),
    [
        (Known((MADE,)), "arguments"),
        (Known((MADE, replace(ELSEWHERE, pid=8))), "arguments"),
        (Known((MADE, ELSEWHERE)), ""),
        (Known((replace(MADE, pid=8),)), ""),
        # Of a list that was cut, what else it holds is not known.
        (Known((MADE,), "1 of 2 references are looked at"), ""),
        (Unknown("not asked"), ""),
    ],
)
def test_what_its_driver_refers_to_tells_whose_results_it_waits_for(references: Any, proof: str) -> None:
    waits = task("f", state="PENDING_ARGS_AVAIL")
    job = seen(waits, look=look(work=work(waits), references=references))
    assert find_motion(trail(), job).proof == proof


def test_references_that_were_cut_do_not_tell_what_is_held() -> None:
    """Of what a call in ``ray.get`` holds the long task may be cut off: all that it has called counts."""
    runs, again, long = (
        call("c", "a", pid=5),
        call("d", "a", state="SUBMITTED_TO_WORKER", parent_id="c"),
        task("t", pid=6),
    )
    held = (HeldReference(5, "d"),)
    scene = Scene((runs, again, replace(long, parent_id="c")), gets=Known({"A.ask": 1}), references=Known(held))
    for note, proof in ((None, "cycle"), ("1 of 2 references are looked at", "")):
        job = replace(seen(runs, look=look(work=work(runs), references=Known(held, note))), scene=scene)
        assert find_motion(trail(), job).proof == proof


@pytest.mark.parametrize(
    ("entrypoint", "serves"),
    [
        ("(interactive_shell) python", True),
        ("python", True),
        ("/usr/bin/python3.11 -i", True),
        ("python -i -c import ray", True),
        ("python3 -u -i train.py", True),
        ("python train.py -i", False),
        ("ipython", True),
        ("/opt/venv/bin/python /opt/venv/bin/ipython", True),
        ("python -m ipykernel_launcher -f /tmp/kernel.json", True),
        ("python -m colab_kernel_launcher", True),
        ("jupyter-lab --port 8888", True),
        ("/opt/venv/bin/jupyter-lab", True),
        ("cd /home/me && jupyter lab --no-browser", True),
        ("python -m jupyter notebook", True),
        ("python -u -X dev -m ipykernel_launcher -f /tmp/kernel.json", True),
        ("/usr/lib/python3/dist-packages/ipykernel_launcher.py -f /tmp/kernel.json", True),
        ("source env/bin/activate; ipython3 --simple-prompt", True),
        # A folder, a user, a file or an argument that is called so is no program.
        ("python /home/jupyter/train.py", False),
        ("/home/jupyter/train.py", False),
        ("python train.py --out /data/jupyter", False),
        ("python train.py --out /data/jupyter-lab", False),
        ("python train.py --out /data/ipython/x", False),
        ("python train.py --out /data/ipython", False),
        ("python -m train ipython", False),
        ("python /opt/ipykernel/train.py", False),
        ("python train.py --name ipykernel", False),
        ("jupyter nbconvert --execute report.ipynb", False),
        ("python train.py", False),
        ("python -c import ray", False),
        ("python -m train", False),
        ("sh -c 'python train.py | tee log'", False),
        ("", False),
    ],
)
def test_where_a_person_types(entrypoint: str, serves: bool) -> None:
    assert bool(describe_serving(seen(entrypoint=entrypoint))) is serves


def test_a_port_is_evidence_of_a_service() -> None:
    assert describe_serving(seen(listens=8080)) == "a process of it listens on port 8080"
    assert has().alive
