"""Which path of a request counts, for its role, its measurement and its handler alike."""

from __future__ import annotations

from starlette.types import Scope


def strip_route_prefix(scope: Scope) -> str:
    """The path as the routes know it: without the ``route_prefix``, which Serve puts into ``root_path`` and leaves in
    ``path`` (ray/serve/_private/replica.py). It must be what Starlette's router sees, or roles would be checked for
    another path than the one that is served."""
    path: str = scope["path"]
    root = scope.get("root_path", "")
    return path[len(root) :] if root and (path == root or path.startswith(f"{root}/")) else path
