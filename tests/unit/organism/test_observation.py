"""What the status of the organism says of organs that are not ready."""

from __future__ import annotations

from typing import Any

import pytest

from organs.models import OrganSpec
from serve_app.errors import AppError, Unavailable
from serve_app.organism import observation
from tests.unit.alerts.fakes import Handle

FOUND = {"code": "serve.replica-failed", "title": "a replica does not start"}
SERVE = {"status": "UNHEALTHY", "message": "", "target_num_replicas": 1}


class Inspector:
    """Serve's account, and the diagnosis; it may be away."""

    def __init__(self, details: Any, diagnosis: Any = None) -> None:
        self.details, self.diagnosis = details, diagnosis
        self.asked: list[tuple[str, bool]] = []

    async def serve_details(self) -> Any:
        return _said(self.details)

    async def deployment_diagnosis(self, name: str, failed: bool) -> Any:
        self.asked.append((name, failed))
        return _said(self.diagnosis)


class Organ:
    def __init__(self, answers: bool) -> None:
        self.answers = answers

    async def ping(self) -> dict[str, Any]:
        return _said({"agent_id": "a_agent_0"} if self.answers else Unavailable("No replica."))


def _said(answer: Any) -> Any:
    if isinstance(answer, AppError):
        raise answer
    return answer


async def observed(
    monkeypatch: pytest.MonkeyPatch, inspector: Inspector, *, answers: bool = False
) -> tuple[str, dict[str, Any] | None]:
    agents = [{"agent_id": "a_agent_0", "rank": 0}] if answers else []

    async def collect(*asked: Any, timeout_s: float) -> list[dict[str, Any]]:
        return agents

    monkeypatch.setattr(observation, "collect", collect)
    handles: Any = {"a": Handle(Organ(answers))}
    handle: Any = Handle(inspector)
    seen = await observation.observe([OrganSpec(id="a", type="Utility")], handles, handle, 1.0)
    (organ,) = seen.organs
    return organ["status"], organ["diagnosis"]


@pytest.mark.parametrize(
    ("details", "diagnosis", "wanted", "asked"),
    [
        ({"a": SERVE}, {"diagnosis": FOUND}, ("not_responding", FOUND), [("a", True)]),
        ({"a": SERVE}, {"diagnosis": None}, ("not_responding", None), [("a", True)]),
        ({"a": SERVE}, Unavailable("Busy."), ("not_responding", None), [("a", True)]),
        ({"a": {**SERVE, "status": "UPDATING"}}, {"diagnosis": FOUND}, ("starting", FOUND), [("a", False)]),
        (Unavailable("Gone."), {"diagnosis": FOUND}, ("not_responding", None), []),
    ],
)
async def test_an_organ_that_is_not_ready_is_diagnosed(
    monkeypatch: pytest.MonkeyPatch, details: Any, diagnosis: Any, wanted: Any, asked: Any
) -> None:
    inspector = Inspector(details, diagnosis)
    assert await observed(monkeypatch, inspector) == wanted
    assert inspector.asked == asked


ASLEEP = {"status": "HEALTHY", "message": "", "target_num_replicas": 0, "running": 0, "least_replicas": 0}


@pytest.mark.parametrize(
    ("details", "status"),
    [
        ({"a": ASLEEP}, "asleep"),
        ({"a": {**ASLEEP, "target_num_replicas": 1, "running": 1}}, "not_responding"),
        ({"a": {**ASLEEP, "target_num_replicas": 1, "status": "UPSCALING"}}, "waking"),
        (Unavailable("Gone."), "not_responding"),
    ],
)
async def test_who_may_sleep_is_not_woken_by_a_probe(
    monkeypatch: pytest.MonkeyPatch, details: Any, status: str
) -> None:
    probed: list[Any] = []

    async def probe(*asked: Any) -> dict[str, Any]:
        probed.append(asked)
        return {"at": "t", "ok": False, "latency_s": None, "detail": "asked"}

    monkeypatch.setattr(observation, "_probe", probe)
    assert await observed(monkeypatch, Inspector(details, {"diagnosis": None})) == (status, None)
    assert probed == []


async def test_a_ready_organ_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    inspector = Inspector({"a": SERVE}, {"diagnosis": FOUND})
    assert await observed(monkeypatch, inspector, answers=True) == ("ready", None)
    assert inspector.asked == []
