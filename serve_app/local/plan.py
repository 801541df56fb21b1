"""What `make up` does, decided from what it finds. No I/O: every case is a row of a test table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from serve_app.cluster.ray_http import RayFound
from serve_app.deploy.failure import Failure
from serve_app.local.memory import NEEDED_BYTES
from serve_app.local.rendering import CODE
from serve_app.local.state import UpState
from serve_app.local.wanted import Wanted

APP = "seedcore"
OWN_HEAD = "Set SEEDCORE_DASHBOARD_PORT, SEEDCORE_RAY_PORT and SEEDCORE_HTTP_PORT to free ports for a head of its own."


class Action(StrEnum):
    """One thing to do, in the order of the list. After ``CLEAN_UP``, always alone, one looks and decides again."""

    CLEAN_UP = "clean up"
    START_HEAD = "start head"
    DEPLOY = "deploy"
    WAIT = "wait"


@dataclass(frozen=True)
class Observed:
    """What is there. ``ray`` is who answers as a Ray dashboard at the configured port, ``taken`` who holds which port.

    ``serve_port`` and ``app_status`` are Serve's own words, None where there is no Serve or no such application.
    """

    state: UpState | None
    head_alive: bool
    ray: RayFound | None
    serve_port: int | None
    app_status: str | None
    taken: Mapping[int, str]
    config_sha256: str
    prints: Mapping[str, str]
    available_bytes: int
    own_ray_version: str


@dataclass(frozen=True)
class Plan:
    """What to do and what to tell; without actions nothing is changed."""

    actions: tuple[Action, ...]
    says: tuple[str, ...] = field(default=())


CLEARING = Plan((Action.CLEAN_UP,), ("the Ray head of the last `make up` is gone; clearing away what it left",))


def plan(wanted: Wanted, observed: Observed) -> Plan:
    """Decide; raises ``Failure`` when a person has to decide first."""
    state = observed.state
    if state is not None and state.head_is_ours:
        return _plan_on_our_head(wanted, state, observed) if observed.head_alive else CLEARING
    if observed.ray is not None:
        return _plan_on_found_head(wanted, observed.ray, observed)
    return _plan_fresh(wanted, observed)


def _plan_on_our_head(wanted: Wanted, state: UpState, observed: Observed) -> Plan:
    runs_at = {
        "SEEDCORE_HTTP_PORT": state.http_port,
        "SEEDCORE_DASHBOARD_PORT": state.dashboard_port,
        "SEEDCORE_RAY_PORT": state.ray_port,
    }
    moved = [f"{name}={port}" for name, port in runs_at.items() if wanted.ports[name] != port]
    if moved:
        raise Failure(
            f"From {wanted.home} a copy runs already, with {' '.join(moved)}.",
            "Run `make down` first to move it, or set SEEDCORE_HOME to another directory for a second copy.",
        )
    if observed.ray is None:
        raise Failure(
            f"The Ray head runs, but its dashboard at {wanted.dashboard_url} does not answer.",
            "Wait some seconds and try again, or run `make down` and `make up`.",
        )
    return _plan_like_before(state, observed)


def _plan_on_found_head(wanted: Wanted, ray: RayFound, observed: Observed) -> Plan:
    if ray.version != observed.own_ray_version:
        raise Failure(
            f"The Ray head at {wanted.dashboard_url} is a Ray {ray.version}; this project has Ray "
            f"{observed.own_ray_version}.",
            OWN_HEAD,
        )
    state = observed.state
    if state is not None and observed.app_status is not None:
        return _plan_like_before(state, observed)
    if observed.app_status is not None:
        raise Failure(
            f"The Ray head at {wanted.dashboard_url} runs an application {APP!r} that was not deployed from here.",
            f"End it where it was deployed. Otherwise: {OWN_HEAD}",
        )
    if observed.serve_port is None:
        _require_free(wanted, observed, ["SEEDCORE_HTTP_PORT"])
    says = [f"using the Ray head that runs at {wanted.dashboard_url}; `make down` will leave it running"]
    if observed.serve_port not in (None, wanted.http_port):
        says.append(f"Serve listens there on port {observed.serve_port} already, so SEEDCORE_HTTP_PORT has no effect")
    return Plan((Action.DEPLOY, Action.WAIT), tuple(says))


def _plan_like_before(state: UpState, observed: Observed) -> Plan:
    stale = [name for name, print_ in observed.prints.items() if state.prints.get(name) != print_]
    code_changed = CODE in stale and state.config_sha256 != observed.config_sha256
    if code_changed:
        stale.remove(CODE)  # what is deployed carries its version, so that every replica is replaced
    says = []
    if stale:
        says.append(
            f"changed since the head was started: {', '.join(stale)}; `make down` and `make up` bring that into effect"
        )
    if not state.config_sha256:
        return Plan((Action.DEPLOY, Action.WAIT), ("the last run ended before it had deployed: deploying now", *says))
    if state.config_sha256 != observed.config_sha256:
        what = "code changed: replacing every replica" if code_changed else "configuration changed: deploying it"
        return Plan((Action.DEPLOY, Action.WAIT), (f"the {what}", *says))
    if observed.app_status == "RUNNING":
        return Plan((Action.WAIT,), ("already running, nothing changed", *says))
    if observed.app_status in ("DEPLOYING", "UNHEALTHY"):
        return Plan((Action.WAIT,), (f"already deployed, and {observed.app_status}: waiting for it", *says))
    return Plan(
        (Action.DEPLOY, Action.WAIT), (f"the application is {observed.app_status or 'gone'}: deploying it", *says)
    )


def _plan_fresh(wanted: Wanted, observed: Observed) -> Plan:
    _require_free(wanted, observed, list(wanted.ports))
    if observed.available_bytes < NEEDED_BYTES:
        raise Failure(
            f"Not enough memory: {observed.available_bytes / 2**30:.1f} GiB can be had, {NEEDED_BYTES / 2**30:.1f} GiB "
            "are needed for a Ray head and the application.",
            "End something that uses memory, or give the container more.",
        )
    return Plan((Action.START_HEAD, Action.DEPLOY, Action.WAIT))


def _require_free(wanted: Wanted, observed: Observed, names: list[str]) -> None:
    for name in names:
        port = wanted.ports[name]
        if port in observed.taken:
            raise Failure(
                f"Port {port} is taken by {observed.taken[port]}.",
                f"End that process, or set {name} to a free port: `{name}={port + 1000} make up`.",
            )
