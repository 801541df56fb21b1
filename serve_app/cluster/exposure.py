"""Where Serve listens, as Serve itself says: asked once by ``build``, before anything is deployed."""

from __future__ import annotations

import http.client
import json
import urllib.request

from serve_app.cluster.private import build_dashboard_headers, find_dashboard_address

TIMEOUT_S = 5


def find_http_host() -> str | None:
    """The address that Serve's proxies bind, or None when that cannot be known from here.

    ``build`` runs in a Ray task after Serve has started (ray/serve/_private/application_state.py), so the dashboard can
    be asked; on a worker node it usually cannot be reached. Behind HAProxy the guard sees HAProxy's address and not the
    caller's, so this is the check that keeps an API without tokens on one machine.
    """
    address = find_dashboard_address()
    if address is None:
        return None
    request = urllib.request.Request(f"{address}/api/serve/applications/", headers=build_dashboard_headers())  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 - the address is Ray's own
            told = json.load(answer)
    except (OSError, ValueError, http.client.HTTPException):
        return None
    options = told.get("http_options") if isinstance(told, dict) else None
    host = options.get("host") if isinstance(options, dict) else None
    return host if isinstance(host, str) else None
