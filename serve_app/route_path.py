"""Which path of a request counts, for its role, its measurement and its handler alike."""

from __future__ import annotations

from urllib.parse import unquote

from starlette.types import Scope

# Stands in a path for a slash that is part of an id (``%2F``): no text that means something has this character.
_SLASH = "\U000f002f"


def strip_route_prefix(scope: Scope) -> str:
    """The path as the routes know it: without the ``route_prefix``, which Serve puts into ``root_path`` and leaves in
    ``path`` (ray/serve/_private/replica.py). It must be what Starlette's router sees, or roles would be checked for
    another path than the one that is served."""
    path: str = scope["path"]
    root = scope.get("root_path", "")
    return path[len(root) :] if root and (path == root or path.startswith(f"{root}/")) else path


def keep_slashes_of_ids(scope: Scope) -> Scope:
    """The request with each ``%2F`` as one letter of its path, where the server made a slash of it: ids of jobs may
    have slashes, and what is between two slashes would be another route."""
    raw = scope.get("raw_path") or b""
    if b"%2f" not in raw.lower():
        return scope
    told = raw.decode("latin-1")
    if unquote(told) != scope["path"]:
        return scope
    return {**scope, "path": unquote(told.replace("%2f", _SLASH).replace("%2F", _SLASH))}


def restore_slashes(text: str) -> str:
    """An id, or a path, as it was meant."""
    return text.replace(_SLASH, "/")
