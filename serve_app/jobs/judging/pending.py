"""Why a submission has not started: resources that no node has, that are in use, or an environment being built; and
why a replica of Serve's cannot be placed. Pure.

Ray starts a submission by an actor of its own, the supervisor, which asks for what the entrypoint shall have
(``JobManager.submit_job`` in ray/dashboard/modules/job/job_manager.py); its row is what tells.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from serve_app.jobs.models import Evidence, JobFacts, Known, NodeFacts, Section, WaitingActor
from serve_app.jobs.serve_facts import AutoscalerFacts, DeploymentFacts, ServeFacts
from serve_app.queries.job_names import is_file_name

SUPERVISOR_PREFIX = "_ray_internal_job_actor_"
# Parts of a runtime environment that have to be built or fetched (ray/_private/runtime_env): while that goes on,
# nothing is wrong. Parts that are at hand need nothing. Of all others (`py_executable`, a plugin's) nobody knows that
# they take time: what cannot be started with them, Ray tries to start for minutes, without a word in its tables.
_BUILT = frozenset({"pip", "uv", "conda", "working_dir", "py_modules", "java_jars", "container", "image_uri"})
_AT_HAND = frozenset({"env_vars", "config", "worker_process_setup_hook", "_ray_release", "_ray_commit"})
INFEASIBLE, BUSY, BUILDING, NOT_KNOWN = "pending-infeasible", "pending-busy", "pending-building", "pending"
NEVER_STARTS = "pending-never-starts"
# Ray notes a submission, makes its log file and then its supervisor: where the file cannot be made, nothing follows.
_REFUSED = (
    "Ray refused it after it had noted it (its log file cannot be made: the id has {why}); nobody will ever start it, "
    "and it goes when the head is started anew."
)
# Ray's stop waits for the supervisor to start, its delete refuses what is not over, and its monitor gives up after this
# time (``stop_job``, ``delete_job`` and ``_monitor_job_internal`` in ray/dashboard/modules/job/job_manager.py).
GIVEN_UP = (
    "Until it starts Ray can neither stop nor delete it, and gives it up 15 min after it was submitted (or what "
    "RAY_JOB_START_TIMEOUT_SECONDS on the head says)."
)
_SUBMIT_ANEW = "Submit it under a short id without slashes."
STARVED = "actors-infeasible"
# Ray keeps the resources of a node's address and of its labels under such names.
_OF_NODES = ("node:", "bundle_group")
_MOST_NAMED = 8


class Waiting(NamedTuple):
    """The rule that explains it, one sentence, and the facts. ``action``: what to do, where waiting is no help;
    ``lacks``: the names of what it waits for, the same for all that wait for it.
    """

    rule: str
    sentence: str
    evidence: tuple[Evidence, ...] = ()
    action: str = ""
    lacks: str = ""


def explain_waiting(
    job: JobFacts,
    actors: Section[tuple[WaitingActor, ...]],
    nodes: Section[tuple[NodeFacts, ...]],
    free: Section[Mapping[str, float]],
) -> Waiting:
    """The most certain reason that the facts allow."""
    supervisor = _find_supervisor(job, actors)
    if supervisor is not None and isinstance(nodes, Known):
        alive = [node.resources for node in nodes.value if node.alive]
        wanted = describe_amounts(supervisor.required)
        if alive and not any(covers(resources, supervisor.required) for resources in alive):
            fact = f"it needs {wanted}; {describe_most(alive, supervisor.required)}"
            sentence = f"It needs {wanted}, which no node of this cluster has."
            evidence = Evidence(INFEASIBLE, "actor table", fact)
            action = f"Add a node that has {wanted}, or submit it anew asking for less. {GIVEN_UP}"
            return Waiting(INFEASIBLE, sentence, (evidence,), action, _name_missing(alive, supervisor.required))
        if isinstance(free, Known) and not covers(free.value, supervisor.required):
            left = describe_amounts({name: free.value.get(name, 0.0) for name in supervisor.required})
            sentence = f"It waits for {wanted}; free in the whole cluster are {left}."
            evidence = Evidence(BUSY, "resources", f"needs {wanted}, free {left}")
            return Waiting(BUSY, sentence, (evidence,), "", _name_missing([free.value], supervisor.required))
    if supervisor is None and not is_file_name(job.id) and isinstance(actors, Known):
        why = "a slash" if "/" in job.id else "too many letters for the name of a file"
        fact = f"no supervisor waits for it, and job-driver-<id>.log can be no file, since the id has {why}"
        evidence = Evidence(NEVER_STARTS, "actor table", fact)
        return Waiting(NEVER_STARTS, _REFUSED.format(why=why), (evidence,), _SUBMIT_ANEW)
    building = sorted(set(job.runtime_env_keys) & _BUILT)
    if building:
        sentence = f"Its environment is being built ({', '.join(building)})."
        evidence = Evidence(BUILDING, "job list", f"runtime_env has {', '.join(building)}")
        return Waiting(BUILDING, sentence, (evidence,), "", ", ".join(building))
    others = ", ".join(sorted(set(job.runtime_env_keys) - _AT_HAND))
    if others:
        sentence = f"It has not started; Ray does not tell why. Look whether it can be started with its {others}."
        evidence = Evidence(NOT_KNOWN, "job list", f"runtime_env has {others}")
        return Waiting(NOT_KNOWN, sentence, (evidence,), "", others)
    return Waiting(NOT_KNOWN, "It has not started; Ray does not tell why.")


def find_starved(
    job: JobFacts, actors: Section[tuple[WaitingActor, ...]], nodes: Section[tuple[NodeFacts, ...]]
) -> Waiting | None:
    """What a running job cannot get: actors of its own that need more than any node has. None: nothing of the kind."""
    if not isinstance(actors, Known) or not isinstance(nodes, Known) or not job.job_id:
        return None
    alive = [node.resources for node in nodes.value if node.alive]
    stuck = [
        actor
        for actor in actors.value
        if actor.job_id == job.job_id
        # Supervisors are actors of Ray's own job; that they wait is told of the submission.
        and not (actor.name or "").startswith(SUPERVISOR_PREFIX)
        and not any(covers(resources, actor.required) for resources in alive)
    ]
    if not stuck:
        return None
    wanted = describe_amounts(stuck[0].required)
    sentence = f"It runs, but {len(stuck)} of its actors cannot start: {wanted} is more than any node has."
    fact = f"actor {stuck[0].name or stuck[0].class_name} needs {wanted}; {describe_most(alive, stuck[0].required)}"
    return Waiting(STARVED, sentence, (Evidence(STARVED, "actor table", fact),))


class Shortage(NamedTuple):
    """A replica that no node can hold as it is. ``hopeless``: nothing is on its way that would change it."""

    sentence: str
    hopeless: bool


def find_shortage(
    name: str,
    needs: Sequence[Mapping[str, float]],
    nodes: Sequence[Mapping[str, float]],
    autoscaler: AutoscalerFacts | None,
) -> Shortage | None:
    """What a replica of the deployment needs and no node has; None where some node has it, or none is known.

    ``needs``: of each replica, what has to be on one node; ``nodes``: what each node that is alive has in all.
    ``autoscaler`` None: there is none, or it does not tell.
    """
    needed = next((each for each in needs if nodes and not any(covers(node, each) for node in nodes)), None)
    if needed is None:
        return None
    most = {key: max(node.get(key, 0.0) for node in nodes) for key, amount in needed.items()}
    lacking = {key: most[key] for key, amount in needed.items() if most[key] < amount}
    shown = [key for key in lacking if not key.startswith(_OF_NODES)]
    if len(shown) == 1:
        has = f"the most that a node has is {lacking[shown[0]]:g}"
    elif shown:
        has = f"the most that a node has is {describe_amounts(lacking)}"
    else:
        has = "the node that it must be on is not there" if lacking else "no node has all of that at once"
    wanted = describe_amounts({key: needed[key] for key in shown} if shown else needed)
    sentence = f"{name} needs {wanted} for each replica; {has}"
    if autoscaler is not None and autoscaler.coming:
        coming = ", ".join(f"{count} {type_name}" for type_name, count in sorted(autoscaler.coming.items())[:8])
        return Shortage(f"{sentence}; the autoscaler is starting nodes ({coming}).", hopeless=False)
    if autoscaler is not None and autoscaler.error:
        return Shortage(f"{sentence}. The autoscaler says: {autoscaler.error}", hopeless=True)
    return Shortage(f"{sentence}.", hopeless=True)


def lacks_replicas(deployment: DeploymentFacts) -> bool:
    """Whether fewer replicas run than are wanted, or one is starting beside those that run (``max_surge_percent``)."""
    states = [replica.state for replica in deployment.replicas]
    wanted = deployment.target_num_replicas
    return wanted > 0 and ("STARTING" in states or states.count("RUNNING") < wanted)


def list_shortages(
    serve: ServeFacts, nodes: Section[tuple[NodeFacts, ...]], autoscaler: Section[AutoscalerFacts]
) -> dict[tuple[str, str], Shortage]:
    """By application and deployment: those of which Serve starts a replica, or wants one, that no node can hold."""
    alive = [node.resources for node in nodes.value if node.alive] if isinstance(nodes, Known) else []
    said = autoscaler.value if isinstance(autoscaler, Known) else None
    found = {
        (app.name, each.name): find_shortage(each.name, each.needs, alive, said)
        for app in serve.applications
        for each in app.deployments
        if lacks_replicas(each)
    }
    return {key: shortage for key, shortage in found.items() if shortage is not None}


def _find_supervisor(job: JobFacts, actors: Section[tuple[WaitingActor, ...]]) -> WaitingActor | None:
    name = f"{SUPERVISOR_PREFIX}{job.submission_id}"
    rows = actors.value if isinstance(actors, Known) else ()
    return next((actor for actor in rows if actor.name == name), None)


def covers(has: Mapping[str, float], needs: Mapping[str, float]) -> bool:
    """Whether every amount that is needed is there."""
    return all(has.get(name, 0.0) >= amount for name, amount in needs.items())


def _name_missing(nodes: Iterable[Mapping[str, float]], needs: Mapping[str, float]) -> str:
    """What of it no node has enough of; where each can be had, but not together, all of it."""
    every = list(nodes)
    missing = [name for name, amount in needs.items() if not any(node.get(name, 0.0) >= amount for node in every)]
    return ", ".join(sorted(missing or needs)[:_MOST_NAMED])


def describe_amounts(amounts: Mapping[str, float]) -> str:
    """Amounts of resources for people."""
    shown = [(name, amount) for name, amount in sorted(amounts.items()) if not name.startswith(_OF_NODES)]
    return ", ".join(f"{amount:g} {name}" for name, amount in shown[:8]) or "a place on one certain node"


def describe_most(nodes: Iterable[Mapping[str, float]], needs: Mapping[str, float]) -> str:
    """The most that one node has of what is needed."""
    every = list(nodes)
    most = {
        name: max((node.get(name, 0.0) for node in every), default=0.0)
        for name in needs
        if not name.startswith(_OF_NODES)
    }
    return f"the most that one node has: {describe_amounts(most)}" if most else "no node that is alive is the one"
