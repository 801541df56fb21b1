"""What a job is, and why: every rule with its evidence, what its actors tell, and what comes before what."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from serve_app.jobs.judging.kind_specs import KindSpec, Match
from serve_app.jobs.judging.kinds import (
    CLUSTER_INITIALIZATION,
    INTERNAL,
    KIND_RULES,
    OBSERVER,
    OBSERVER_LIMIT_S,
    WORKER_NODE,
    Owned,
    build_rules,
    classify_job,
    count_owned,
    find_unproven_claim,
)
from serve_app.jobs.models import ActorFacts, Evidence, JobFacts
from serve_app.outcomes import NOT_COUNTED
from tests.unit.jobs.judging.test_judge import CLIENT, NOW, actor, ago, controller, driver, submission

SERVING = Owned(actors=2, alive=1, serve_controllers=1, serve_alive=1)
RAYS = Owned(actors=1, of_ray=1)
NIGHTLY = KindSpec(name="nightly", match=Match(entrypoint="*night*"))
SERVER, SUPERVISORS = "application-server", "SUPERVISOR_ACTOR_RAY_NAMESPACE"
HIDDEN = driver("a", "RUNNING", hidden=True)
LOOKED = driver("a", "SUCCEEDED", began=30, entrypoint=CLIENT)

BY_DEFAULT = ("user", Evidence("kind-by-default", "job list", "nothing marks it as anything else"))
BY_SERVE = (SERVER, Evidence("kind-by-serve", "actor table", "it owns the actors of Ray Serve"))
BY_NAMESPACE = ("internal", Evidence("kind-by-namespace", "actor table", "Ray hides it, and its actors are Ray's own"))
BY_ENTRYPOINT = (SERVER, Evidence("kind-by-entrypoint", "job list", "its entrypoint starts a web server"))
BY_CLIENT = (
    "observer",
    Evidence("kind-by-client", "job list", "the server side of a Ray client, at most 30 s long, without actors"),
)
BY_PROGRAM = ("coa-initialization", Evidence("kind-by-program", "job list", "it runs our own initialization"))
OPTIONS = "-m serve_app.organism.initialization --application seedcore --submission-id coa-1"
INITIALIZATIONS = (f"python {OPTIONS}", f"/opt/x/bin/python3.11 {OPTIONS} --force", f"'/a b/bin/python' {OPTIONS}")
NEARLY = (
    f"false # {OPTIONS}",
    f"python {OPTIONS}; false",
    f"python {OPTIONS} $(false)",
    f"python x.py {OPTIONS}",
    f"python {OPTIONS}\nfalse",
    "python -m serve_app.organism.initialization_of_mine",
)
BY_DECLARATION = (
    "nightly",
    Evidence("kind-declared:nightly", "configuration", "it is declared: entrypoint like '*night*'"),
)


def claims(kind: str, **changes: Any) -> JobFacts:
    return submission("a", "RUNNING", metadata={"seedcore.kind": kind}, **changes)


def claimed(kind: str) -> tuple[str, Evidence]:
    return kind, Evidence("kind-by-metadata", "job list", f"its metadata has seedcore.kind = {kind}")


@pytest.mark.parametrize(
    ("job", "owned", "ours", "wanted"),
    [
        # What it says of itself, in words that may be a kind, and that it may claim.
        (claims("report-2"), SERVING, True, claimed("report-2")),
        (claims("r" + "x" * 62), None, False, claimed("r" + "x" * 62)),
        # Of ours it is no matter of saying.
        *(
            (claims(kind, entrypoint="false"), None, False, BY_DEFAULT)
            for kind in ("observer", "application-server", "coa-initialization")
        ),
        *((submission("a", "RUNNING", entrypoint=line), None, False, BY_PROGRAM) for line in INITIALIZATIONS),
        *((submission("a", "RUNNING", entrypoint=line), None, False, BY_DEFAULT) for line in NEARLY),
        (driver("a", "RUNNING", entrypoint=INITIALIZATIONS[0]), None, False, BY_DEFAULT),
        *(
            (claims(kind), None, False, BY_DEFAULT)
            for kind in (
                "", "r" + "x" * 63, "2-report", "-report", "Report", "re port", "report\n", "cluster-initialization",
                "worker-node", "internal",
            )
        ),
        # What Serve has of it.
        (driver("a", "RUNNING"), SERVING, False, BY_SERVE),
        (driver("a", "RUNNING"), None, True, BY_SERVE),
        (driver("a", "RUNNING"), Owned(), True, BY_SERVE),
        (driver("a", "RUNNING"), Owned(serve_controllers=1), False, BY_SERVE),
        (driver("a", "RUNNING"), Owned(serve_alive=1), False, BY_SERVE),
        (driver("a", "RUNNING"), Owned(actors=9, alive=9), False, BY_DEFAULT),
        (replace(HIDDEN, entrypoint="night"), replace(SERVING, of_ray=1), False, BY_SERVE),
        # What Ray hides and owns; one of both is not enough.
        (HIDDEN, RAYS, False, BY_NAMESPACE),
        (replace(HIDDEN, entrypoint="night"), RAYS, False, BY_NAMESPACE),
        (HIDDEN, None, False, BY_DEFAULT),
        (HIDDEN, Owned(actors=1), False, BY_DEFAULT),
        (driver("a", "RUNNING"), RAYS, False, BY_DEFAULT),
        # What is declared comes before what its entrypoint starts.
        (submission("a", "RUNNING", entrypoint="uvicorn night:app"), None, False, BY_DECLARATION),
        *(
            (submission("a", "RUNNING", entrypoint=f"{start}{program} app"), None, False, BY_ENTRYPOINT)
            for program in ("uvicorn", "gunicorn", "hypercorn", "serve run")
            for start in ("", "/usr/bin/", "python -m ")
        ),
        *(
            (submission("a", "RUNNING", entrypoint=entrypoint), None, False, BY_DEFAULT)
            for entrypoint in ("uvicorn", "my-uvicorn x", "python uvicorn x", "serve build x", "python -muvicorn x")
        ),
        # A look by a Ray client.
        (LOOKED, Owned(), False, BY_CLIENT),
        (replace(LOOKED, ended_at=ago(0)), Owned(), False, BY_CLIENT),
        (replace(LOOKED, ended_at=NOW + timedelta(milliseconds=1)), Owned(), False, BY_DEFAULT),
        (replace(LOOKED, ended_at=None), Owned(), False, BY_CLIENT),
        (replace(LOOKED, ended_at=None, started_at=ago(30.1)), Owned(), False, BY_DEFAULT),
        (replace(LOOKED, started_at=None), Owned(), False, BY_DEFAULT),
        (LOOKED, None, False, BY_DEFAULT),
        (LOOKED, Owned(actors=1), False, BY_DEFAULT),
        (replace(LOOKED, entrypoint="python -m ray.util.client.server --mode=proxy"), Owned(), False, BY_DEFAULT),
        (replace(LOOKED, entrypoint="python other.py --mode=specific-server"), Owned(), False, BY_DEFAULT),
        (submission("a", "RUNNING", entrypoint="python x.py"), Owned(), False, BY_DEFAULT),
    ],
)  # fmt: skip
def test_the_kind_of_a_job_and_why(
    job: JobFacts, owned: Owned | None, ours: bool, wanted: tuple[str, Evidence]
) -> None:
    assert classify_job(job, owned, ours=ours, now=NOW, rules=build_rules([NIGHTLY])) == wanted


@pytest.mark.parametrize(
    ("claim", "kind", "fact"),
    [
        ("observer", "user", "its metadata claims seedcore.kind = observer, which nothing else shows"),
        ("application-server", "application-server", None),
        ("report", "user", None),
        ("", "user", None),
    ],
)
def test_a_claim_that_nothing_shows_is_a_note(claim: str, kind: str, fact: str | None) -> None:
    found = find_unproven_claim(claims(claim), kind)
    assert found == (None if fact is None else Evidence("kind-claimed", "job list", fact))


def test_without_rules_those_that_are_built_in_speak() -> None:
    assert classify_job(submission("a", "RUNNING", entrypoint="night"), None, ours=False, now=NOW) == BY_DEFAULT


def test_declared_kinds_stand_after_what_the_cluster_shows_and_in_their_order() -> None:
    specs = [NIGHTLY, KindSpec(name="user", owner="me"), KindSpec(name="model", match=Match(namespace="x"))]
    assert [rule.name for rule in build_rules(specs)] == [
        "kind-by-metadata", "kind-by-program", "kind-by-serve", "kind-by-namespace",
        "kind-declared:nightly", "kind-declared:model",
        "kind-by-entrypoint", "kind-by-client", "kind-by-default",
    ]  # fmt: skip
    assert build_rules([]) == KIND_RULES


def test_kinds_that_nobody_wanted_done_are_not_counted() -> None:
    assert {"cluster-initialization", "worker-node", "observer", "internal"} == NOT_COUNTED
    assert {CLUSTER_INITIALIZATION, WORKER_NODE, OBSERVER, INTERNAL} == NOT_COUNTED
    assert OBSERVER_LIMIT_S == 30.0


@pytest.mark.parametrize(
    ("match", "told"),
    [
        (Match(entrypoint="a*"), "entrypoint like 'a*'"),
        (Match(submission_id="b*"), "submission_id like 'b*'"),
        (Match(namespace="c*"), "namespace like 'c*'"),
        (
            Match(entrypoint="{a}", submission_id="b", namespace="c", metadata={"d": "e", "f": "g"}),
            "entrypoint like '{a}', submission_id like 'b', namespace like 'c', "
            "metadata d like 'e', metadata f like 'g'",
        ),
    ],
)
def test_a_declaration_is_told_whole(match: Match, told: str) -> None:
    rule = build_rules([KindSpec(name="mine", match=match)])[4]
    assert (rule.name, rule.kind, rule.source) == ("kind-declared:mine", "mine", "configuration")
    assert rule.fact.format(kind="mine") == f"it is declared: {told}"


def count(*actors: ActorFacts) -> dict[str, Owned]:
    return count_owned(actors)


MINE = frozenset({"mine"})


@pytest.mark.parametrize(
    ("actors", "wanted"),
    [
        ([], {}),
        ([actor("a")], {"a": Owned(1, 1, 0, 0, 0, MINE)}),
        ([actor("a", state="DEAD")], {"a": Owned(1, 0, 0, 0, 0, MINE)}),
        ([actor("a", state="PENDING_CREATION"), actor("a")], {"a": Owned(2, 2, 0, 0, 0, MINE)}),
        ([controller("a")], {"a": Owned(1, 1, 1, 1, 0, frozenset({"serve"}))}),
        ([controller("a", "DEAD")], {"a": Owned(1, 0, 1, 0, 0, frozenset({"serve"}))}),
        ([actor("a", "ServeReplica", "serve")], {"a": Owned(1, 1, 0, 1, 0, frozenset({"serve"}))}),
        # No part in Serve: a class of that name elsewhere.
        ([actor("a", "ServeController")], {"a": Owned(1, 1, 0, 0, 0, MINE)}),
        ([actor("a", namespace=SUPERVISORS)], {"a": Owned(1, 1, 0, 0, 1, frozenset({SUPERVISORS}))}),
        (
            [actor("a", namespace="_ray_internal_dashboard", state="DEAD")],
            {"a": Owned(1, 0, 0, 0, 1, frozenset({"_ray_internal_dashboard"}))},
        ),
        ([actor("a", namespace="my_ray_internal_")], {"a": Owned(1, 1, 0, 0, 0, frozenset({"my_ray_internal_"}))}),
        (
            [actor("a"), actor("b", state="DEAD"), controller("a"), actor("a", namespace="yours")],
            {"a": Owned(3, 3, 1, 1, 0, frozenset({"mine", "serve", "yours"})), "b": Owned(1, 0, 0, 0, 0, MINE)},
        ),
    ],
)
def test_what_its_actors_tell_of_a_job(actors: list[ActorFacts], wanted: dict[str, Owned]) -> None:
    assert count(*actors) == wanted


def test_of_many_namespaces_twenty_are_kept() -> None:
    found = count(*(actor("a", namespace=f"n{number:02}") for number in range(30)))["a"]
    assert (found.actors, found.namespaces) == (30, frozenset(f"n{number:02}" for number in range(20)))
