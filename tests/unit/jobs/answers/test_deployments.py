"""What is told of deployments: settings that they refused, and applications that are not as deployed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from serve_app.errors import Unavailable
from serve_app.jobs.answers import deployments
from serve_app.jobs.answers.deployments import DeploymentTroubles
from serve_app.jobs.judging.findings import Finding
from serve_app.jobs.models import Known, Unknown, Verdict
from serve_app.jobs.serve_facts import ApplicationFacts, DeploymentFacts, ServeFacts

REFUSED = {
    "deployment": "Ingress",
    "mistakes": [{"key": "user_config.task_timeout_s", "got": "'x'", "expected": "a valid number"}],
    "in_force": "Those of before stay in force.",
    "since": None,
}
TRACEBACK = """Deploying app 'seedcore' failed:
Traceback (most recent call last):
  File "main.py", line 1, in build
ValueError: organ id 'utility_organ_1' is given twice
"""


def serve(status: str = "RUNNING", message: str = "", name: str = "seedcore", **of_deployment: str) -> Any:
    told = [DeploymentFacts("Ingress", "HEALTHY", "", 1, ())]
    told += [DeploymentFacts(each, "UNHEALTHY", said, 1, ()) for each, said in of_deployment.items()]
    return Known(ServeFacts("c", (ApplicationFacts(name, status, message, tuple(told)),)))


class Store:
    def __init__(self, *refused: Any) -> None:
        self.refused = list(refused)
        self.failure: Unavailable | None = None
        self.asked = 0
        self.gate: asyncio.Event | None = None

    async def refused_settings(self, application: str) -> Any:
        assert application == "seedcore"
        self.asked += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return self.refused


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_a_refused_setting_is_told_with_deployment_key_value_and_what_is_accepted() -> None:
    found, missing = await DeploymentTroubles(Store(REFUSED), "seedcore", Clock()).find(serve())
    assert missing == []
    assert found == [
        Finding(
            "refused-setting",
            "deployment",
            "Ingress",
            Verdict.WARN,
            "Ingress refused its settings: user_config.task_timeout_s: got 'x'; accepted: a valid number. "
            "Those of before stay in force.",
            "Mend them in the file, try it with `python -m serve_app.check`, and deploy it again.",
        )
    ]


@pytest.mark.parametrize(
    ("deployment", "seen", "told"),
    [
        ("Ingress", serve(), True),
        ("Store", serve(), True),
        ("an_organ_of_before", serve(), False),
        ("an_organ_of_before", Unknown("Serve does not answer."), True),
        ("an_organ_of_before", serve(name="other"), True),
    ],
)
async def test_what_is_deployed_no_longer_concerns_nobody(deployment: str, seen: Any, told: bool) -> None:
    troubles = DeploymentTroubles(Store({**REFUSED, "deployment": deployment}), "seedcore", Clock())
    assert bool((await troubles.find(seen))[0]) is told


async def test_many_keys_are_counted() -> None:
    many = {**REFUSED, "mistakes": REFUSED["mistakes"] * 5}
    found, _ = await DeploymentTroubles(Store(many), "seedcore", Clock()).find(serve())
    assert found[0].sentence.count("task_timeout_s") == 3
    assert "; and 2 more. Those" in found[0].sentence


async def test_the_store_is_asked_at_most_once_a_second_and_what_it_said_stays_while_it_is_away() -> None:
    store, clock = Store(REFUSED), Clock()
    troubles = DeploymentTroubles(store, "seedcore", clock)
    await troubles.find(serve())
    clock.now += 0.9
    await troubles.find(serve())
    assert store.asked == 1
    store.failure = Unavailable("Store has no running replica.")
    clock.now += 0.1
    found, missing = await troubles.find(serve())
    assert (len(found), missing, store.asked) == (1, ["refused settings: Store has no running replica."], 2)


async def test_a_store_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployments, "_PATIENCE_S", 0.01)
    store, clock = Store(REFUSED), Clock()
    store.gate = asyncio.Event()
    troubles = DeploymentTroubles(store, "seedcore", clock)
    for _ in range(3):
        clock.now += 10
        assert await troubles.find(serve()) == ([], ["refused settings: the store has not answered yet."])
    assert store.asked == 1
    store.gate.set()
    await asyncio.wait({troubles._asked})  # type: ignore[type-var]
    assert len((await troubles.find(serve()))[0]) == 1


@pytest.mark.parametrize(
    ("seen", "rule", "sentence"),
    [
        (
            serve("DEPLOY_FAILED", TRACEBACK),
            "application-troubled",
            "The application seedcore is DEPLOY_FAILED: Deploying app 'seedcore' failed: … ValueError: organ id "
            "'utility_organ_1' is given twice",
        ),
        (
            serve("DEPLOY_FAILED", "Failed to update the deployments ['Alerts'].", Alerts=TRACEBACK),
            "application-troubled",
            "The application seedcore is DEPLOY_FAILED: Failed to update the deployments ['Alerts']. Alerts: Deploying "
            "app 'seedcore' failed: … ValueError: organ id 'utility_organ_1' is given twice",
        ),
        (
            serve("UNHEALTHY", name="shop"),
            "other-application-troubled",
            "The application shop is UNHEALTHY: no message",
        ),
        (serve("DEPLOYING"), None, None),
        (Unknown("Serve does not answer."), None, None),
    ],
)
async def test_an_application_that_is_not_as_deployed(seen: Any, rule: str | None, sentence: str | None) -> None:
    found, _ = await DeploymentTroubles(None, "seedcore", Clock()).find(seen)
    assert [(each.rule, each.sentence) for each in found] == ([] if rule is None else [(rule, sentence)])
