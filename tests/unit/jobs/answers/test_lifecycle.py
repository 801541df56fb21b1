"""How a cluster came up, step by step."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from serve_app.jobs.answers.lifecycle import build_lifecycle
from serve_app.jobs.judging.judge import judge
from serve_app.jobs.models import JobFacts, Known, Snapshot, Unknown
from serve_app.jobs.serve_facts import ApplicationFacts, ServeFacts
from tests.unit.jobs.judging.test_judge import (
    INIT,
    NOW,
    SERVER,
    ago,
    controller,
    driver,
    exit_of,
    head,
    snapshot,
    submission,
)

STEPS = ["head-up", "serve-controller", "application-server", "application", "initialization", "ready"]
DOWN = Unknown("down")


def steps(seen: Snapshot, controller_at: datetime | None = None) -> dict[str, dict[str, Any]]:
    found = build_lifecycle(seen, judge(seen, NOW), "shop", controller_at)
    assert [each["step"] for each in found] == STEPS
    return {each["step"]: each for each in found}


def states(seen: Snapshot) -> str:
    """Of all steps, in their order."""
    return " ".join(each["state"] for each in steps(seen).values())


def shop(status: str = "RUNNING", name: str = "shop") -> ApplicationFacts:
    return ApplicationFacts(name, status, "", (), ago(60))


def cluster(*jobs: JobFacts, **sections: Any) -> Snapshot:
    """A head since 100 s, Serve since 80 s, an application since 60 s."""
    given: dict[str, Any] = {
        "nodes": [head("h", "ALIVE", 100)],
        "actors": [controller("01")],
        "apps": [shop()],
        "exits": [replace(exit_of("01", None), started_at=ago(80))],
    }
    return snapshot(*jobs, **{**given, **sections})


INITIALIZED = submission("init", "SUCCEEDED", began=50, took=20, metadata=INIT)


def test_all_is_told_of_a_cluster_that_is_up() -> None:
    assert list(steps(cluster(INITIALIZED), ago(79.5)).values()) == [
        {
            "step": step,
            "title": title,
            "at": at.isoformat(timespec="milliseconds") if at else None,
            "ended_at": ended.isoformat(timespec="milliseconds") if ended else None,
            "duration_s": 20.0 if ended else None,
            "after_s": after_s,
            "source": source,
            "state": "done",
        }
        for step, title, at, ended, after_s, source in [
            ("head-up", "The head node joined", ago(100), None, 0.0, "node table"),
            ("serve-controller", "Serve's controller started", ago(79.5), None, 20.5, "actor table"),
            ("application-server", "The job that serves started", ago(80), None, 20.0, "worker table"),
            ("application", "The application shop was deployed", ago(60), None, 40.0, "Serve"),
            ("initialization", "The organism was initialized", ago(50), ago(30), 50.0, "job list"),
            ("ready", "Ready: the first initialization had succeeded", ago(30), None, 70.0, "job list"),
        ]
    ]


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        (cluster(INITIALIZED), "done done done done done done"),
        (cluster(), "done done done done missing missing"),
        (snapshot(), "missing missing missing missing missing missing"),
        (replace(cluster(INITIALIZED), nodes=DOWN), "unknown done done done done done"),
        (replace(cluster(INITIALIZED), actors=DOWN), "done unknown unknown done done done"),
        (replace(cluster(INITIALIZED), serve=DOWN), "done done done unknown done done"),
        (
            replace(cluster(driver("01", "RUNNING")), actors=DOWN, own_job_id="01"),
            "done unknown done done missing missing",
        ),
        # What stands in no list cannot be missing in it.
        (replace(cluster(), jobs=DOWN), "done done unknown done unknown unknown"),
        (replace(snapshot(), jobs=DOWN, nodes=DOWN, actors=DOWN, serve=DOWN), " ".join(["unknown"] * 6)),
        (cluster(nodes=[head("h", "DEAD", 100)]), "missing done done done missing missing"),
        (cluster(actors=[controller("01", "DEAD")]), "done missing done done missing missing"),
        # The application.
        (cluster(apps=[]), "done done done missing missing missing"),
        (cluster(apps=[shop(name="other")]), "done done done missing missing missing"),
        (cluster(apps=[shop("DEPLOYING")]), "done done done running missing missing"),
        (cluster(apps=[shop("UNHEALTHY")]), "done done done done missing missing"),
        (cluster(apps=[shop("DEPLOY_FAILED")]), "done done done missing missing missing"),
        # The initialization.
        (cluster(submission("i", "RUNNING", metadata=INIT)), "done done done done running missing"),
        (cluster(submission("i", "PENDING", metadata=INIT)), "done done done done running missing"),
        (cluster(submission("i", "FAILED", metadata=INIT)), "done done done done missing missing"),
        (cluster(INITIALIZED, submission("i", "FAILED", metadata=INIT)), "done done done done done done"),
        (cluster(INITIALIZED, submission("i", "RUNNING", metadata=INIT)), "done done done done done done"),
        # Of a cluster before this one.
        (cluster(submission("i", "SUCCEEDED", began=101, metadata=INIT)), "done done done done missing missing"),
    ],
)
def test_states(seen: Snapshot, wanted: str) -> None:
    assert states(seen) == wanted


def test_ready_is_the_first_initialization_that_succeeded() -> None:
    later = submission("later", "SUCCEEDED", began=9, took=5, metadata=INIT)
    earlier = submission("earlier", "FAILED", began=70, took=5, metadata=INIT)
    found = steps(cluster(later, INITIALIZED, earlier))
    assert (found["initialization"]["after_s"], found["ready"]["after_s"]) == (50.0, 70.0)


@pytest.mark.parametrize(
    ("status", "state"), [("RUNNING", "done"), ("DEPLOYING", "running"), ("DEPLOY_FAILED", "missing")]
)
def test_a_later_deployment_is_not_told_as_the_first(status: str, state: str) -> None:
    seen = cluster(INITIALIZED, apps=[replace(shop(status), deployed_at=ago(10))])
    found = build_lifecycle(seen, judge(seen, NOW), "shop", None)
    assert [each["step"] for each in found] == [*STEPS, "deployed-again"]
    told = {each["step"]: (each["state"], each["after_s"]) for each in found}
    assert (told["application"], told["deployed-again"]) == (("done", None), (state, 90.0))
    assert found[-1]["title"] == "The application shop was deployed anew"


def test_the_job_that_serves_is_that_of_serve_when_there_are_other_servers() -> None:
    another = submission("another", "RUNNING", began=5, metadata=SERVER)
    assert steps(cluster(another))["application-server"]["after_s"] == 20.0
    alone = snapshot(another, nodes=[head("h", "ALIVE", 100)])
    assert steps(alone)["application-server"]["after_s"] == 95.0


def test_times_that_no_record_tells_are_none() -> None:
    served = steps(replace(cluster(driver("01", "RUNNING", started_at=None)), serve=Known(ServeFacts(None, ()))))
    assert (served["application-server"]["state"], served["application-server"]["at"]) == ("done", None)
    unknown = steps(replace(cluster(INITIALIZED), nodes=DOWN))["ready"]
    assert (unknown["at"] is None, unknown["after_s"]) == (False, None)
