"""Handing a configuration to a Serve, and watching what becomes of it: for `make up` and for the deploy command."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from serve_app.cluster import ray_http
from serve_app.deploy import merging, rollout
from serve_app.deploy.failure import ConfigurationRefused, Failure, read_last_lines
from serve_app.deploy.rollout import RolloutStatus
from serve_app.jobs.judging.pending import Shortage

# The first one starts Serve.
SEND_TIMEOUT_S = 90.0
PATIENT_TIMEOUT_S = 15.0
_POLL_S = 0.5
_MORE_OR_LESS = (
    "Add a node that has it, or ask for less (ray_actor_options of the deployment), and deploy again; what else was "
    "deployed serves meanwhile."
)


class Handover:
    """One application of one cluster: what Serve had of it when we came, and what it says of it since."""

    def __init__(self, dashboard_url: str, app: str, details: dict[str, Any]) -> None:
        """``details`` is Serve's account of now."""
        self._url = dashboard_url
        self._app = app
        self._deployed_before_s = 0.0
        self.expect_newer(details)
        self.status: str | None = (details.get("applications", {}).get(app) or {}).get("status")
        self._redeployed = False
        self._unhealthy_since: float | None = None
        self._seen: dict[str, Any] = {}
        self._short_since: float | None = None

    def let_callers_wait(self, tick: Callable[[], None]) -> str | None:
        """Give those who ask for a part, while it is replaced, the time until it is back.

        A wish, not a condition: why it could not be, or None.
        """
        try:
            config = merging.build_patient_config(ray_http.fetch_serve_details(self._url), self._app)
            if config is None:
                return None
            ray_http.put_config(self._url, config)
            deadline = time.monotonic() + PATIENT_TIMEOUT_S
            while time.monotonic() < deadline:
                app = ray_http.fetch_serve_details(self._url).get("applications", {}).get(self._app) or {}
                newer = float(app.get("last_deployed_time_s") or 0.0)
                if newer > self._deployed_before_s and app.get("status") == "RUNNING":
                    self._deployed_before_s = newer
                    return None
                tick()
                time.sleep(_POLL_S)
        except ray_http.NoAnswer as error:
            return str(error)
        return None

    def send(self, config: dict[str, Any], next_step: str) -> None:
        """Replace what is declared by ``config``; raises ``ConfigurationRefused``, or ``Failure`` when Serve does not
        answer, which may mean either.
        """
        try:
            ray_http.put_config(self._url, config, SEND_TIMEOUT_S)
        except ray_http.Refused as refused:
            said = refused.body.decode(errors="replace").replace("\\n", "\n")
            raise ConfigurationRefused("Serve refused the configuration.", next_step, read_last_lines(said)) from None
        except ray_http.NoAnswer as error:
            raise Failure(
                f"Serve did not take the configuration within {SEND_TIMEOUT_S:.0f} s: {error}.", next_step
            ) from None
        self._redeployed = True

    def expect_newer(self, details: dict[str, Any]) -> None:
        """A configuration is sent now: what Serve said until then, in ``details``, is about an earlier one."""
        found = details.get("applications", {}).get(self._app) or {}
        self._deployed_before_s = float(found.get("last_deployed_time_s") or 0.0)
        self._redeployed = True

    def look(self) -> RolloutStatus:
        """How far Serve is, since the configuration was sent if it was."""
        try:
            details = ray_http.fetch_serve_details(self._url)
        except ray_http.NoAnswer:
            details = {}
        self._seen = details
        now = time.monotonic()
        unhealthy_s = now - self._unhealthy_since if self._unhealthy_since is not None else 0.0
        reading = rollout.read(details, self._app, self._deployed_before_s if self._redeployed else 0.0, unhealthy_s)
        self._unhealthy_since = (self._unhealthy_since or now) if reading.status == "UNHEALTHY" else None
        return reading

    def look_for_shortage(self) -> Shortage | None:
        """The first replica, of those that were seen last, that no node can hold.

        Raises ``Failure`` when that has been so for a while and nothing is on its way.
        """
        if not rollout.lacks_any_replica(self._seen, self._app):
            self._short_since = None
            return None
        short = rollout.find_shortage(self._seen, self._app, *ray_http.fetch_placement(self._url))
        now = time.monotonic()
        self._short_since = (self._short_since or now) if short is not None and short.hopeless else None
        again = self._redeployed and self._deployed_before_s
        patience_s = rollout.HOPELESS_REDEPLOYED_S if again else rollout.HOPELESS_S
        if short is not None and self._short_since is not None and now - self._short_since >= patience_s:
            raise Failure(f"This cannot run here: {short.sentence}", _MORE_OR_LESS)
        return short
