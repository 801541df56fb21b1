"""Why a submission has not started."""

from __future__ import annotations

from typing import Any

import pytest

from serve_app.jobs.judging.pending import (
    Shortage,
    Waiting,
    covers,
    describe_most,
    explain_waiting,
    find_shortage,
    find_starved,
    list_shortages,
)
from serve_app.jobs.models import Evidence, Known, NodeFacts, Section, Unknown, WaitingActor
from serve_app.jobs.serve_facts import ApplicationFacts, AutoscalerFacts, DeploymentFacts, ReplicaFacts, ServeFacts
from tests.unit.jobs.judging.test_judge import submission
from tests.unit.jobs.judging.test_outcome import node

NO_WORD = Waiting("pending", "It has not started; Ray does not tell why.")
DOWN = Unknown("down")


def supervisor(of: str = "a", **required: float) -> WaitingActor:
    return WaitingActor("x", f"_ray_internal_job_actor_{of}", "JobSupervisor", "01000000", "PENDING", required)


def has(state: str = "ALIVE", **resources: float) -> NodeFacts:
    return node(state, resources=resources)


BUSY = Waiting(
    "pending-busy",
    "It waits for 2 CPU; free in the whole cluster are 1 CPU.",
    (Evidence("pending-busy", "resources", "needs 2 CPU, free 1 CPU"),),
    lacks="CPU",
)
INFEASIBLE = Waiting(
    "pending-infeasible",
    "It needs 2 CPU, which no node of this cluster has.",
    (Evidence("pending-infeasible", "actor table", "it needs 2 CPU; the most that one node has: 1 CPU"),),
    "Add a node that has 2 CPU, or submit it anew asking for less. Until it starts Ray can neither stop nor delete it, "
    "and gives it up 15 min after it was submitted (or what RAY_JOB_START_TIMEOUT_SECONDS on the head says).",
    "CPU",
)
BUILDING = Waiting(
    "pending-building",
    "Its environment is being built (pip, working_dir).",
    (Evidence("pending-building", "job list", "runtime_env has pip, working_dir"),),
    lacks="pip, working_dir",
)


@pytest.mark.parametrize(
    ("env", "actors", "nodes", "free", "wanted"),
    [
        # What no node has.
        ((), Known((supervisor(CPU=2),)), Known((has(CPU=1),)), Known({"CPU": 9.0}), INFEASIBLE),
        ((), Known((supervisor(CPU=2),)), Known((has(CPU=1), has(CPU=1))), DOWN, INFEASIBLE),
        ((), Known((supervisor(CPU=2),)), Known((has(CPU=1), has("DEAD", CPU=4))), DOWN, INFEASIBLE),
        (("pip",), Known((supervisor(CPU=2),)), Known((has(CPU=1),)), DOWN, INFEASIBLE),
        # What is in use.
        ((), Known((supervisor(CPU=2),)), Known((has(CPU=4),)), Known({"CPU": 1.0}), BUSY),
        (("pip",), Known((supervisor(CPU=2),)), Known((has(CPU=4),)), Known({"CPU": 1.0}), BUSY),
        # What is being built.
        (("pip", "working_dir", "env_vars"), Known(()), Known(()), DOWN, BUILDING),
        (("working_dir", "pip"), Known((supervisor(CPU=2),)), Known((has(CPU=4),)), Known({"CPU": 4.0}), BUILDING),
        (("pip", "working_dir"), DOWN, DOWN, DOWN, BUILDING),
        # What is not known.
        (("env_vars",), Known(()), Known((has(CPU=4),)), Known({}), NO_WORD),
        ((), DOWN, Known((has(CPU=1),)), Known({}), NO_WORD),
        ((), Known((supervisor(CPU=2),)), DOWN, Known({}), NO_WORD),
        ((), Known((supervisor(CPU=2),)), Known((has(CPU=4),)), DOWN, NO_WORD),
        ((), Known((supervisor("another", CPU=2),)), Known((has(CPU=1),)), Known({}), NO_WORD),
        # No node at all is no reason to call it infeasible.
        ((), Known((supervisor(CPU=2),)), Known(()), DOWN, NO_WORD),
        ((), Known((supervisor(),)), Known((has("DEAD", CPU=4),)), DOWN, NO_WORD),
    ],
)
def test_why_it_waits(
    env: tuple[str, ...],
    actors: Section[tuple[WaitingActor, ...]],
    nodes: Section[tuple[NodeFacts, ...]],
    free: Section[Any],
    wanted: Waiting,
) -> None:
    assert explain_waiting(submission("a", "PENDING", runtime_env_keys=env), actors, nodes, free) == wanted


@pytest.mark.parametrize(
    ("required", "wanted"),
    [
        ({"GPU": 1.0, "CPU": 0.5}, "It needs 0.5 CPU, 1 GPU, which no node of this cluster has."),
        # A node's own resource says nothing to anybody.
        ({"node:10.0.0.9": 0.001}, "It needs a place on one certain node, which no node of this cluster has."),
        ({"node:10.0.0.9": 0.001, "TPU": 4.0}, "It needs 4 TPU, which no node of this cluster has."),
        (
            {f"r{number}": 1.0 for number in range(20)},
            f"It needs {', '.join(f'1 {name}' for name in sorted(f'r{number}' for number in range(20))[:8])}, "
            "which no node of this cluster has.",
        ),
    ],
)
def test_what_it_needs_in_words(required: dict[str, float], wanted: str) -> None:
    found = explain_waiting(
        submission("a", "PENDING"), Known((supervisor(**required),)), Known((has(CPU=0.0),)), Unknown("down")
    )
    assert found.sentence == wanted


@pytest.mark.parametrize(
    ("required", "nodes", "lacks"),
    [
        # What all lack that wait for it, however much each asks for, and of what else.
        ({"GPU": 1.0}, (has(CPU=4),), "GPU"),
        ({"GPU": 8.0, "CPU": 2.0}, (has(CPU=4, GPU=1),), "GPU"),
        ({"TPU": 1.0, "GPU": 1.0, "CPU": 9.0}, (has(CPU=4),), "CPU, GPU, TPU"),
        # Each is somewhere, but nowhere both.
        ({"GPU": 1.0, "big": 1.0}, (has(GPU=1), has(big=1)), "GPU, big"),
        ({f"r{number}": 1.0 for number in range(20)}, (has(CPU=1),), "r0, r1, r10, r11, r12, r13, r14, r15"),
    ],
)
def test_what_it_lacks_as_a_fact(required: dict[str, float], nodes: tuple[NodeFacts, ...], lacks: str) -> None:
    found = explain_waiting(submission("a", "PENDING"), Known((supervisor(**required),)), Known(nodes), DOWN)
    assert (found.rule, found.lacks) == ("pending-infeasible", lacks)


def test_a_node_that_is_not_there_is_told_without_the_names_that_ray_gives_nodes() -> None:
    """Ray places a supervisor on one node by a resource that only this node has."""
    wanted = supervisor(**{"node:10.0.0.9": 0.001})
    found = explain_waiting(submission("a", "PENDING"), Known((wanted,)), Known((has(CPU=1),)), Unknown("down"))
    fact = "it needs a place on one certain node; no node that is alive is the one"
    assert found.evidence == (Evidence("pending-infeasible", "actor table", fact),)


def starving(*, job_id: str = "01000000", name: str | None = None, **required: float) -> WaitingActor:
    return WaitingActor("x", name, "Trainer", job_id, "PENDING_CREATION", required)


def starve(fact: str, count: int = 1, wanted: str = "2 GPU") -> Waiting:
    sentence = f"It runs, but {count} of its actors cannot start: {wanted} is more than any node has."
    return Waiting("actors-infeasible", sentence, (Evidence("actors-infeasible", "actor table", fact),))


GPU = starving(GPU=2)
NO_GPU = Known((has(CPU=4),))


@pytest.mark.parametrize(
    ("actors", "nodes", "wanted"),
    [
        (Known((GPU,)), NO_GPU, starve("actor Trainer needs 2 GPU; the most that one node has: 0 GPU")),
        (
            Known((starving(name="main", GPU=2, CPU=1), GPU)),
            Known((has(CPU=4, GPU=1), has("DEAD", GPU=8))),
            starve("actor main needs 1 CPU, 2 GPU; the most that one node has: 4 CPU, 1 GPU", 2, "1 CPU, 2 GPU"),
        ),
        # Where nothing lives, nothing can start.
        (Known((GPU,)), Known(()), starve("actor Trainer needs 2 GPU; the most that one node has: 0 GPU")),
        (Known((starving(),)), Known((has("DEAD", CPU=1),)), starve(
            "actor Trainer needs a place on one certain node; no node that is alive is the one",
            wanted="a place on one certain node",
        )),
        # What some node has comes in time; what others want, and Ray's supervisors, are not its own.
        (Known((GPU,)), Known((has(GPU=2),)), None),
        (Known((starving(job_id="02000000", GPU=2),)), NO_GPU, None),
        (Known((starving(name="_ray_internal_job_actor_b", GPU=2),)), NO_GPU, None),
        (Known(()), NO_GPU, None),
        (DOWN, NO_GPU, None),
        (Known((GPU,)), DOWN, None),
    ],
)  # fmt: skip
def test_what_a_running_job_cannot_get(
    actors: Section[tuple[WaitingActor, ...]], nodes: Section[tuple[NodeFacts, ...]], wanted: Waiting | None
) -> None:
    job = submission("a", "RUNNING", job_id="01000000")
    assert find_starved(job, actors, nodes) == wanted
    assert find_starved(submission("a", "RUNNING"), actors, nodes) is None


@pytest.mark.parametrize("job_id", [None, ""])
def test_actors_of_nobody_are_nobodys(job_id: str | None) -> None:
    """A submission that has no driver yet has no actors, and a row without a job is not of it."""
    job = submission("a", "RUNNING", job_id=job_id)
    assert find_starved(job, Known((starving(job_id="", GPU=2),)), NO_GPU) is None


@pytest.mark.parametrize(
    ("env", "named"),
    [
        (("env_vars", "config", "worker_process_setup_hook", "_ray_release", "_ray_commit"), None),
        (("uv", "config", "conda"), "conda, uv"),
    ],
)
def test_only_what_must_be_built_or_fetched_keeps_it_waiting(env: tuple[str, ...], named: str | None) -> None:
    found = explain_waiting(submission("a", "PENDING", runtime_env_keys=env), Known(()), Known(()), DOWN)
    evidence = Evidence("pending-building", "job list", f"runtime_env has {named}")
    built = Waiting("pending-building", f"Its environment is being built ({named}).", (evidence,), lacks=named or "")
    assert found == (NO_WORD if named is None else built)


@pytest.mark.parametrize(
    ("env", "named"),
    [
        (("py_executable",), "py_executable"),
        (("my_plugin", "env_vars", "py_executable"), "my_plugin, py_executable"),
    ],
)
def test_what_nobody_has_to_build_is_no_slow_work(env: tuple[str, ...], named: str) -> None:
    found = explain_waiting(submission("a", "PENDING", runtime_env_keys=env), Known(()), Known(()), DOWN)
    sentence = f"It has not started; Ray does not tell why. Look whether it can be started with its {named}."
    fact = Evidence("pending", "job list", f"runtime_env has {named}")
    assert found == Waiting("pending", sentence, (fact,), lacks=named)


@pytest.mark.parametrize(
    ("has_", "needs", "enough"),
    [
        ({}, {}, True),
        ({}, {"CPU": 0.0}, True),
        ({"CPU": 1.0}, {"CPU": 1.0}, True),
        ({"CPU": 0.9}, {"CPU": 1.0}, False),
        ({"CPU": 1.0}, {"CPU": 1.0, "GPU": 0.1}, False),
        ({"CPU": 1.0, "GPU": 1.0}, {"GPU": 1.0}, True),
    ],
)
def test_whether_it_is_enough(has_: dict[str, float], needs: dict[str, float], enough: bool) -> None:
    assert covers(has_, needs) is enough


@pytest.mark.parametrize(
    ("needs", "told"),
    [
        ({"GPU": 2.0, "node:10.0.0.9": 1.0}, "the most that one node has: 3 GPU"),
        ({"TPU": 2.0}, "the most that one node has: 0 TPU"),
        ({"bundle_group_0_x": 1.0}, "no node that is alive is the one"),
        ({"CPU": 9.0, "GPU": 9.0}, "the most that one node has: 4 CPU, 3 GPU"),
    ],
)
def test_the_most_that_one_node_has(needs: dict[str, float], told: str) -> None:
    assert describe_most([{"CPU": 4.0, "GPU": 1.0}, {"CPU": 2.0, "GPU": 3.0}], needs) == told


WHY = "Ray refused it after it had noted it (its log file cannot be made: the id has {}); nobody will ever start it, "
NEVER_FACT = "no supervisor waits for it, and job-driver-<id>.log can be no file, since the id has {}"


@pytest.mark.parametrize(
    ("id", "why"),
    [
        ("team/etl 2026", "a slash"),
        ("x" * 241, "too many letters for the name of a file"),
        ("\u00e9" * 121, "too many letters for the name of a file"),
    ],
)
def test_what_ray_noted_and_never_begins_with(id: str, why: str) -> None:
    job = submission(id, "PENDING", runtime_env_keys=("pip",))
    wanted = Waiting(
        "pending-never-starts",
        f"{WHY.format(why)}and it goes when the head is started anew.",
        (Evidence("pending-never-starts", "actor table", NEVER_FACT.format(why)),),
        "Submit it under a short id without slashes.",
    )
    assert explain_waiting(job, Known(()), Known(()), DOWN) == wanted
    assert explain_waiting(job, Known((supervisor("other", CPU=1),)), Known(()), DOWN) == wanted
    # Where a supervisor waits, or nobody knows whether one does, it may begin.
    assert explain_waiting(job, Known((supervisor(id, CPU=1),)), Known(()), DOWN).rule == "pending-building"
    assert explain_waiting(job, DOWN, Known(()), DOWN).rule == "pending-building"


@pytest.mark.parametrize("id", ["x" * 240, "team etl 2026", "\u00e9" * 120, "a\\b"])
def test_ids_that_a_file_can_have(id: str) -> None:
    assert explain_waiting(submission(id, "PENDING"), Known(()), Known(()), DOWN) == NO_WORD


TWO = {"CPU": 2.0, "node:10.0.0.1": 1.0, "memory": 8.0}
NEEDS_64 = "o needs 64 CPU for each replica; the most that a node has is 2"


@pytest.mark.parametrize(
    ("needs", "nodes", "autoscaler", "wanted"),
    [
        (({"CPU": 64.0},), (TWO,), None, Shortage(f"{NEEDS_64}.", hopeless=True)),
        (({"CPU": 64.0, "memory": 4.0},), (TWO, {"CPU": 1.0}), None, Shortage(f"{NEEDS_64}.", hopeless=True)),
        (
            ({"CPU": 4.0, "GPU": 1.0},),
            (TWO,),
            None,
            Shortage(
                "o needs 4 CPU, 1 GPU for each replica; the most that a node has is 2 CPU, 0 GPU.", hopeless=True
            ),
        ),
        (
            ({"CPU": 2.0, "GPU": 1.0},),
            (TWO, {"CPU": 1.0, "GPU": 4.0}),
            None,
            Shortage("o needs 2 CPU, 1 GPU for each replica; no node has all of that at once.", hopeless=True),
        ),
        (
            ({"CPU": 0.05, "node:10.0.0.9": 0.001},),
            (TWO,),
            None,
            Shortage("o needs 0.05 CPU for each replica; the node that it must be on is not there.", hopeless=True),
        ),
        # Of a placement group every bundle has to find a node.
        (({"CPU": 1.0}, {"CPU": 64.0}), (TWO,), None, Shortage(f"{NEEDS_64}.", hopeless=True)),
        # With an autoscaler: what that says.
        (
            ({"CPU": 64.0},),
            (TWO,),
            AutoscalerFacts({"gpu": 2, "big": 1}, None),
            Shortage(f"{NEEDS_64}; the autoscaler is starting nodes (1 big, 2 gpu).", hopeless=False),
        ),
        (
            ({"CPU": 64.0},),
            (TWO,),
            AutoscalerFacts({}, "No quota."),
            Shortage(f"{NEEDS_64}. The autoscaler says: No quota.", hopeless=True),
        ),
        (({"CPU": 64.0},), (TWO,), AutoscalerFacts({}, None), Shortage(f"{NEEDS_64}.", hopeless=True)),
        # A node can hold it, or which nodes there are is not known.
        (({"CPU": 2.0},), ({"CPU": 1.0}, TWO), None, None),
        (({},), (TWO,), None, None),
        ((), (TWO,), None, None),
        (({"CPU": 64.0},), (), None, None),
    ],
)
def test_a_replica_that_no_node_can_hold(
    needs: tuple[dict[str, float], ...],
    nodes: tuple[dict[str, float], ...],
    autoscaler: AutoscalerFacts | None,
    wanted: Shortage | None,
) -> None:
    assert find_shortage("o", needs, nodes, autoscaler) == wanted


@pytest.mark.parametrize(
    ("target", "states", "short"),
    [
        (1, ("STARTING",), True),
        (1, (), True),
        # One that runs is to be replaced by one that cannot be placed (`max_surge_percent`).
        (1, ("RUNNING", "STARTING"), True),
        (2, ("RUNNING",), True),
        (1, ("RUNNING",), False),
        (1, ("RUNNING", "STOPPING"), False),
        (0, (), False),
    ],
)
def test_only_of_a_replica_that_is_missing_it_is_asked(target: int, states: tuple[str, ...], short: bool) -> None:
    replicas = tuple(ReplicaFacts(str(place), state, None, None) for place, state in enumerate(states))
    deployment = DeploymentFacts("o", "UPDATING", "", target, replicas, ({"CPU": 64.0},))
    serve = ServeFacts("c", (ApplicationFacts("a", "DEPLOYING", "", (deployment,)),))
    found = list_shortages(serve, Known((has(CPU=2), has("DEAD", CPU=99))), Unknown("not asked"))
    assert found == ({("a", "o"): Shortage(f"{NEEDS_64}.", hopeless=True)} if short else {})
    assert list_shortages(serve, DOWN, Unknown("not asked")) == {}
