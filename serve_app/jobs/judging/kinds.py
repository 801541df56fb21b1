"""What a job is: rules as rows, the first that applies wins. Pure.

What the job says of itself in its metadata comes before what its actors show, and that before its entrypoint. Kinds of
this application's own are no matter of saying: they come from what a job runs or owns, and a claim is a note.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from serve_app.jobs.models import ActorFacts, Evidence, JobFacts

if TYPE_CHECKING:
    # It brings pydantic, which the report command can do without.
    from serve_app.jobs.judging.kind_specs import KindSpec, Match

CLUSTER_INITIALIZATION = "cluster-initialization"
WORKER_NODE = "worker-node"
APPLICATION_SERVER = "application-server"
COA_INITIALIZATION = "coa-initialization"
USER = "user"
OBSERVER = "observer"
INTERNAL = "internal"

KIND_KEY = "seedcore.kind"
BY_SERVE = "kind-by-serve"
# With these go meanings and advice that are for what they are alone, so no job can claim to be one.
_NOT_CLAIMABLE = {
    CLUSTER_INITIALIZATION,
    WORKER_NODE,
    APPLICATION_SERVER,
    COA_INITIALIZATION,
    OBSERVER,
    INTERNAL,
}
# The command of `organism.submission`: one program, without anything of a shell around it.
_INITIALIZATION = re.compile(
    r"(?:'[^'\n]{1,1000}'|[^\s'\";&|<>$`()#]{1,1000}) -m serve_app\.organism\.initialization"
    r"(?: (?:'[^'\n]{0,1000}'|[^\s'\";&|<>$`()#]{1,1000})){0,20}"
)
# Programs that serve until they are ended (the guide's application server was the first of them).
_SERVER_ENTRYPOINTS = tuple(
    f"{start}{program} *"
    for program in ("uvicorn", "gunicorn", "hypercorn", "serve run")
    for start in ("", "*/", "* -m ")
)
_CLAIM = re.compile(r"[a-z][a-z0-9-]{0,62}")
# The server side of one `ray://` connection (ray/util/client/server/proxier.py) is the driver of what its client does.
_CLIENT_DRIVER = ("ray.util.client.server", "specific-server")
OBSERVER_LIMIT_S = 30.0
_MOST_NAMESPACES = 20
# Where Ray keeps the supervisors of submitted jobs (ray/dashboard/modules/job/common.py), and its other own namespaces.
_OWN_NAMESPACES = ("SUPERVISOR_ACTOR_RAY_NAMESPACE", "_ray_internal_")


@dataclass(frozen=True, slots=True)
class Owned:
    """What a job's actors tell of it, counted."""

    actors: int = 0
    alive: int = 0
    serve_controllers: int = 0
    serve_alive: int = 0
    of_ray: int = 0
    namespaces: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class KindRule:
    """One row of the table. ``kind`` None means that the job's metadata names it."""

    name: str
    kind: str | None
    source: str
    applies: Callable[[Asked], bool]
    fact: str


class Asked(NamedTuple):
    """What the rules look at. ``owned`` is None when the actor table is not available."""

    job: JobFacts
    owned: Owned | None
    ours: bool
    now: datetime


def classify_job(
    job: JobFacts, owned: Owned | None, *, ours: bool, now: datetime, rules: Iterable[KindRule] | None = None
) -> tuple[str, Evidence]:
    """The kind of a job and why. ``ours``: this application itself runs in it. ``rules``: those of ``build_rules``."""
    asked = Asked(job, owned, ours, now)
    rule = next(rule for rule in rules or KIND_RULES if rule.applies(asked))
    kind = job.metadata.get(KIND_KEY, USER) if rule.kind is None else rule.kind
    return kind, Evidence(rule.name, rule.source, rule.fact.format(kind=kind))


def build_rules(specs: Iterable[KindSpec]) -> tuple[KindRule, ...]:
    """The table with declared kinds, in their order, after what a job says of itself and what Serve and Ray own."""
    declared = [_build_rule(spec, spec.match) for spec in specs if spec.match is not None]
    return (*KIND_RULES[:_BEFORE_DECLARED], *declared, *KIND_RULES[_BEFORE_DECLARED:])


def count_owned(actors: Iterable[ActorFacts]) -> dict[str, Owned]:
    """Count the actors of each job."""
    counts: dict[str, list[int]] = {}
    namespaces: dict[str, set[str]] = {}
    for actor in actors:
        alive = actor.state != "DEAD"
        count = counts.setdefault(actor.job_id, [0, 0, 0, 0, 0])
        of_ray = actor.namespace.startswith(_OWN_NAMESPACES)
        for place, holds in enumerate((True, alive, actor.is_serve_controller, actor.is_serve and alive, of_ray)):
            count[place] += holds
        seen = namespaces.setdefault(actor.job_id, set())
        if len(seen) < _MOST_NAMESPACES:
            seen.add(actor.namespace)
    return {
        job_id: Owned(all_, alive, controllers, served, of_ray, frozenset(namespaces[job_id]))
        for job_id, (all_, alive, controllers, served, of_ray) in counts.items()
    }


def sum_owned(counts: Iterable[Owned | None]) -> Owned:
    """What several drivers of one job own together."""
    every = [each for each in counts if each is not None]
    return Owned(
        actors=sum(each.actors for each in every),
        alive=sum(each.alive for each in every),
        serve_controllers=sum(each.serve_controllers for each in every),
        serve_alive=sum(each.serve_alive for each in every),
        of_ray=sum(each.of_ray for each in every),
        namespaces=frozenset().union(*(each.namespaces for each in every)),
    )


@lru_cache(maxsize=1_000)
def matches(pattern: str, text: str) -> bool:
    """Whether the whole text is as the pattern says, which is one as for file names: ``*``, ``?`` and ``[abc]``; case
    counts.
    """
    return _compile_pattern(pattern).match(text) is not None


@lru_cache(maxsize=500)
def _compile_pattern(pattern: str) -> re.Pattern[str]:
    # Each `*` becomes a group that is not tried again (fnmatch since Python 3.9), so time is bounded by the text.
    return re.compile(fnmatch.translate(pattern))


def _build_rule(spec: KindSpec, match: Match) -> KindRule:
    told = ", ".join(f"{name} like {pattern!r}" for name, pattern in _list_patterns(match))
    # Braces would be fields of the sentence's format.
    fact = f"it is declared: {told}".replace("{", "{{").replace("}", "}}")
    return KindRule(f"kind-declared:{spec.name}", spec.name, "configuration", lambda asked: _fits(match, asked), fact)


def _list_patterns(match: Match) -> Iterable[tuple[str, str]]:
    named = (("entrypoint", match.entrypoint), ("submission_id", match.submission_id), ("namespace", match.namespace))
    yield from ((name, pattern) for name, pattern in named if pattern is not None)
    yield from ((f"metadata {name}", pattern) for name, pattern in match.metadata.items())


def _fits(match: Match, asked: Asked) -> bool:
    job = asked.job
    if match.entrypoint is not None and not matches(match.entrypoint, job.entrypoint):
        return False
    if match.submission_id is not None and not _matches_pattern(match.submission_id, job.submission_id):
        return False
    if match.namespace is not None:
        namespaces = asked.owned.namespaces if asked.owned is not None else ()
        if not any(matches(match.namespace, namespace) for namespace in namespaces):
            return False
    return all(_matches_pattern(pattern, job.metadata.get(name)) for name, pattern in match.metadata.items())


def _matches_pattern(pattern: str, text: str | None) -> bool:
    return text is not None and matches(pattern, text)


def _claims_a_kind(asked: Asked) -> bool:
    claim = asked.job.metadata.get(KIND_KEY, "")
    return bool(_CLAIM.fullmatch(claim)) and claim not in _NOT_CLAIMABLE


def find_unproven_claim(job: JobFacts, kind: str) -> Evidence | None:
    """The note on a job that says it is of a kind of ours and was not found to be: what it says, and that it is only
    said."""
    claim = job.metadata.get(KIND_KEY, "")
    if claim not in _NOT_CLAIMABLE or claim == kind:
        return None
    return Evidence("kind-claimed", "job list", f"its metadata claims {KIND_KEY} = {claim}, which nothing else shows")


def _runs_initialization(asked: Asked) -> bool:
    return asked.job.submission_id is not None and _INITIALIZATION.fullmatch(asked.job.entrypoint) is not None


def _has_served(asked: Asked) -> bool:
    owned = asked.owned
    return asked.ours or (owned is not None and (owned.serve_controllers > 0 or owned.serve_alive > 0))


def _is_of_ray(asked: Asked) -> bool:
    return asked.job.hidden and asked.owned is not None and asked.owned.of_ray > 0


def _is_server(asked: Asked) -> bool:
    return any(matches(pattern, asked.job.entrypoint) for pattern in _SERVER_ENTRYPOINTS)


def _has_only_looked(asked: Asked) -> bool:
    job, owned = asked.job, asked.owned
    if owned is None or owned.actors or not all(word in job.entrypoint for word in _CLIENT_DRIVER):
        return False
    ended_at = job.ended_at or asked.now
    return job.started_at is not None and (ended_at - job.started_at).total_seconds() <= OBSERVER_LIMIT_S


KIND_RULES = (
    KindRule("kind-by-metadata", None, "job list", _claims_a_kind, f"its metadata has {KIND_KEY} = {{kind}}"),
    KindRule(
        "kind-by-program", COA_INITIALIZATION, "job list", _runs_initialization, "it runs our own initialization"
    ),
    KindRule(BY_SERVE, APPLICATION_SERVER, "actor table", _has_served, "it owns the actors of Ray Serve"),
    KindRule("kind-by-namespace", INTERNAL, "actor table", _is_of_ray, "Ray hides it, and its actors are Ray's own"),
    # Declared kinds stand here.
    KindRule("kind-by-entrypoint", APPLICATION_SERVER, "job list", _is_server, "its entrypoint starts a web server"),
    KindRule(
        "kind-by-client",
        OBSERVER,
        "job list",
        _has_only_looked,
        f"the server side of a Ray client, at most {OBSERVER_LIMIT_S:g} s long, without actors",
    ),
    KindRule("kind-by-default", USER, "job list", lambda _: True, "nothing marks it as anything else"),
)
_BEFORE_DECLARED = 4
