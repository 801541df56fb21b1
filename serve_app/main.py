"""The wiring, on one page: what ``serve deploy serve_config.yaml`` builds.

HTTP requests go from ``Ingress`` to an organ replica and back: two hops. ``OrganismManager``, ``JobInspector``,
``Alerts`` and ``Store`` are never on that path.
"""

from __future__ import annotations

from typing import Any

import ray
from pydantic import ValidationError
from ray import serve
from ray.serve import Application

from organs.memory import LAST_FLUSH_TIMEOUT_S
from organs.organ import Organ
from organs.version import read_own_version
from serve_app import parts
from serve_app.alerts.deployment import Alerts
from serve_app.alerts.settings import AlertsConfig
from serve_app.api.access import Tokens, require_safe_address
from serve_app.cluster.exposure import find_http_host
from serve_app.env import Env
from serve_app.ingress import Ingress
from serve_app.jobs.inspector import JobInspector
from serve_app.jobs.serve_facts import HttpFacts
from serve_app.jobs.settings import InspectorConfig
from serve_app.organism.manager import OrganismManager
from serve_app.organism.settings import ManagerConfig
from serve_app.settings import AppArgs, DeployedHttp, IngressConfig
from serve_app.store.deployment import StoreDeployment
from serve_app.store.live.config import StoreConfig

# Organs and singletons mostly wait; a whole CPU each would fill a small cluster before any job runs.
_SMALL = {"num_cpus": 0.05}
# The dashboard listens on the head's loopback unless told otherwise, and SQLite must not move between nodes.
_ON_HEAD = {"num_cpus": 0.05, "resources": {"node:__internal_head__": 0.001}}
# A hung replica is replaced after three checks in a row that miss their time-out, the first of which begins a period
# later at the latest (`check_health`, ray/serve/_private/deployment_state.py): 3 x 1.8 s + 1.1 s; then its successor
# starts. On the way of a task that is short, so that no caller waits for 12 s; for a healthy one to seem hung, its loop
# would have to stand still for over 5 s. Beside the way, where whole histories are read, it may stand for 15 s.
_HEALTH_ON_THE_WAY = {"health_check_period_s": 1, "health_check_timeout_s": 1.8}
_HEALTH = {"health_check_period_s": 3, "health_check_timeout_s": 5}
# The old one answers until the new one runs. Agents may be two for a moment: the new one waits until the old one is
# gone before it takes its name and memory (organs/memory.py). Of the store, the manager, the inspector and the alerts
# there must not be two, which would write over each other: they stop first.
_SURGE = {"max_surge_percent": 100}


def build(args: dict[str, Any]) -> Application:
    """Build the application from ``args`` of ``serve_config.yaml``.

    Raises ``ValueError`` naming each bad key before anything is deployed, or when the code is not the version that the
    configuration wants, and ``OpenAddress`` when Serve listens beyond loopback, or where it listens cannot be
    learned, and no token is configured.
    """
    wanted = parse_args(args)
    running = read_own_version()
    if wanted.code_version not in (None, running):
        raise ValueError(
            f"args.code_version is {wanted.code_version}, and the code of this cluster is {running}. Bring the new "
            "code to every node, or deploy what `python -m serve_app.check --stamp serve_config.yaml` prints there."
        )
    tokens = Tokens.load(Env.read())
    deployed = wanted.deployed_http or DeployedHttp()
    # Without Ray nothing is deployed, only described (`serve build`, tests).
    if ray.is_initialized():
        require_safe_address(find_http_host(), tokens, deployed.host)

    store = (
        serve.deployment(StoreDeployment, name=parts.STORE)
        .options(
            ray_actor_options=_ON_HEAD,
            max_ongoing_requests=64,
            max_queued_requests=512,
            user_config=StoreConfig().model_dump(),
            **_HEALTH_ON_THE_WAY,
        )
        .bind()
    )
    inspector = (
        serve.deployment(JobInspector, name=parts.INSPECTOR)
        .options(
            ray_actor_options=_ON_HEAD,
            max_ongoing_requests=64,
            max_queued_requests=256,
            user_config=InspectorConfig().model_dump(),
            **_HEALTH,
        )
        .bind(
            store,
            management=wanted.job_management,
            code_version=running,
            deployed_http=HttpFacts(deployed.host, deployed.port, deployed.request_timeout_s),
        )
    )
    organs = {
        spec.id: serve.deployment(Organ, name=spec.id)
        .options(
            ray_actor_options=_SMALL,
            max_ongoing_requests=64,
            max_queued_requests=256,
            # Serve's own 20 s for the tasks that run, and the time in which an agent tries to write what they brought.
            graceful_shutdown_timeout_s=20 + LAST_FLUSH_TIMEOUT_S + 5,
            user_config={},
            **_SURGE,
            **_HEALTH_ON_THE_WAY,
        )
        .bind(spec, wanted.organs, store, inspector)
        for spec in wanted.organs
    }
    manager = (
        serve.deployment(OrganismManager, name=parts.MANAGER)
        .options(
            ray_actor_options=_ON_HEAD,
            max_ongoing_requests=64,
            max_queued_requests=256,
            user_config=ManagerConfig().model_dump(),
            **_HEALTH,
        )
        .bind(wanted.organs, organs, store, inspector)
    )
    alerts = (
        serve.deployment(Alerts, name=parts.ALERTS)
        .options(
            ray_actor_options=_ON_HEAD,
            max_ongoing_requests=64,
            max_queued_requests=256,
            user_config=AlertsConfig().model_dump(mode="json"),
            **_HEALTH,
        )
        .bind(manager, inspector, store)
    )
    return (
        serve.deployment(Ingress, name=parts.INGRESS)
        .options(
            ray_actor_options=_SMALL,
            max_ongoing_requests=256,
            max_queued_requests=1024,
            user_config=IngressConfig().model_dump(),
            **_SURGE,
            **_HEALTH_ON_THE_WAY,
        )
        .bind(wanted, organs, manager, inspector, store, alerts)
    )


def parse_args(args: dict[str, Any]) -> AppArgs:
    """Validate ``args``; raises ``ValueError`` whose text has one line for each key that is wrong."""
    try:
        return AppArgs.model_validate(args)
    except ValidationError as error:
        lines = [f"args.{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors()]
        raise ValueError("serve_config.yaml is not acceptable:\n" + "\n".join(lines)) from None
