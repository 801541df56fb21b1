"""No deployment ends for what is in its ``user_config``: Serve would kill it, and give the next replica the same."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from organs.live.settings import LiveSettings
from serve_app import main, parts
from serve_app.alerts.deployment import Alerts
from serve_app.check.rules import USER_CONFIGS
from serve_app.ingress import Ingress
from serve_app.jobs.inspector import JobInspector
from serve_app.organism.manager import OrganismManager
from serve_app.organism.settings import ManagerConfig
from serve_app.settings import IngressConfig
from serve_app.store.deployment import StoreDeployment
from tests.unit.jobs.recordings import Replay, taken_at
from tests.unit.jobs.test_inspector import Here
from tests.unit.organs.fakes import FakeOrgan, FakeStore, FakeWays

ORGAN = "an_organ"
NO_LOOPS = SimpleNamespace(start=lambda: None)


class QuietIngress(Ingress.__mro__[1]):  # type: ignore[misc]
    """Ours, inside Serve's wrapper."""

    def __del__(self) -> None:
        """Serve awaits the ingress's; Python's own collector must not."""


def make(deployment: str) -> Any:
    """A replica whose loops do not begin; with those that need Serve to be made, what their ``__init__`` adds."""
    made: Any
    if deployment == parts.INGRESS:
        made = object.__new__(QuietIngress)
        made._deps = SimpleNamespace(config=IngressConfig())
        made._settings = LiveSettings(deployment, IngressConfig, IngressConfig.model_validate, None)
    elif deployment == parts.MANAGER:
        made = object.__new__(OrganismManager)
        made._loop = NO_LOOPS
        made._settings = LiveSettings(deployment, ManagerConfig, ManagerConfig.model_validate, None)
    elif deployment == parts.INSPECTOR:
        made = JobInspector(None, Replay(), Here(), taken_at)  # type: ignore[arg-type]
        made._workers = NO_LOOPS
    elif deployment == parts.ALERTS:
        made = Alerts(*[SimpleNamespace(deployment_name="other")] * 3)
        made._settings._store, made._loops = None, NO_LOOPS
    elif deployment == parts.STORE:
        made = StoreDeployment()
        made._settings._store = None
    else:
        made = FakeOrgan("Utility", FakeStore(), FakeWays())
    return made


def read_in_force(made: Any) -> Any:
    return getattr(made, "_config", None) or getattr(getattr(made, "_deps", None), "config", None)


WRONG: tuple[Any, ...] = ({"no_such_key": "x"}, "very", None, ["a"], {"signatures": [{"name": 5}]}, {1: 2})


@pytest.mark.parametrize("given", WRONG, ids=str)
@pytest.mark.parametrize("deployment", [*parts.ALL, ORGAN])
async def test_no_wrong_setting_ends_a_replica(deployment: str, given: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEDCORE_HOME", "/nowhere")
    made = make(deployment)
    rank = [SimpleNamespace(rank=0)] if deployment == ORGAN else []
    await made.reconfigure(given, *rank)
    defaults = read_in_force(made)
    assert made._settings.refused is not None
    await made.reconfigure({}, *rank)
    assert (made._settings.refused, read_in_force(made)) == (None, defaults)
    await made.reconfigure(given, *rank)
    assert made._settings.refused["in_force"] == "Those of before stay in force."
    assert read_in_force(made) == defaults
    if deployment == ORGAN:
        made._keeper.cancel()


@pytest.mark.parametrize(
    ("deployment", "loops"), [(parts.MANAGER, "_loop"), (parts.INSPECTOR, "_workers"), (parts.ALERTS, "_loops")]
)
async def test_a_replica_that_serve_never_configures_works_all_the_same(deployment: str, loops: str) -> None:
    """Serve calls no ``reconfigure`` where the file has ``user_config:`` and nothing below it."""
    made, begun = make(deployment), []
    setattr(made, loops, SimpleNamespace(start=lambda: begun.append(True), require_alive=lambda: None))
    await made.check_health()
    assert begun == [True]


def test_the_file_is_checked_by_the_models_that_the_deployments_read_with() -> None:
    read = {name: make(name)._settings._model for name in sorted(parts.ALL)}
    assert read == {name: USER_CONFIGS[name] for name in sorted(parts.ALL)}


def test_each_deployment_is_given_settings_so_that_serve_configures_it() -> None:
    """Serve calls ``reconfigure`` only where there is a ``user_config``: without one the good one would not end it."""
    built = main.build({"organs": [{"id": "a", "type": "Utility"}]})
    seen: dict[str, Any] = {}
    waiting = [built._bound_deployment]
    while waiting:
        each = waiting.pop()
        seen[each.name] = each.user_config
        given = (*each.init_args, *each.init_kwargs.values())
        waiting += [
            one._bound_deployment
            for arg in given
            for one in (arg.values() if isinstance(arg, dict) else [arg])
            if hasattr(one, "_bound_deployment") and one._bound_deployment.name not in seen
        ]
    assert {name for name, config in seen.items() if config is None} == set()
    assert set(seen) == {*parts.ALL, "a"}
