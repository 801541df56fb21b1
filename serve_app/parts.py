"""The names of this application's deployments that are no organs: in Serve, in sentences, and in jobs' metadata."""

from __future__ import annotations

from typing import Final

INGRESS: Final = "Ingress"
MANAGER: Final = "OrganismManager"
INSPECTOR: Final = "JobInspector"
STORE: Final = "Store"
ALERTS: Final = "Alerts"

# What a configuration of Serve names to deploy this application.
IMPORT_PATH: Final = "serve_app.main:build"

ALL: Final = frozenset({INGRESS, MANAGER, INSPECTOR, STORE, ALERTS})
