"""What a configuration would change of what Serve has in force, and what of it would have no effect. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from organs.live.mistakes import Path, format_path
from serve_app.check.rules import quote_value
from serve_app.redaction import is_secret_pair

MOST_KEYS = 12
_MISSING = object()
# ``ApplicationStatus`` of ray/serve/schema.py; what failed may do better now that something else was mended.
_DEPLOYED_ANEW = ("DELETING", "DEPLOY_FAILED")


@dataclass(frozen=True)
class Changes:
    """By application: those that are new, those that change with a line for each key, those that are deleted, and those
    that stay. ``ignored``: a sentence for each option of Serve that keeps what it is.
    """

    added: tuple[str, ...] = ()
    changed: tuple[tuple[str, tuple[str, ...]], ...] = ()
    deleted: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    @property
    def any(self) -> bool:
        """Whether anything would be done."""
        return bool(self.added or self.changed or self.deleted)

    def render(self) -> list[str]:
        """What a person reads before it is done."""
        lines = [f"  add     {name}" for name in self.added]
        for name, keys in self.changed:
            lines += [f"  change  {name}", *(f"            {key}" for key in keys)]
        lines += [f"  delete  {name}" for name in self.deleted]
        lines += [f"  keep    {name}" for name in self.kept]
        return lines + [f"  note    {sentence}" for sentence in self.ignored]


def compare(config: Mapping[str, Any], details: Mapping[str, Any], asked: Mapping[str, Any]) -> Changes:
    """``config`` is what would be sent, ``details`` Serve's account, ``asked`` the file as it stands."""
    wanted = {str(app["name"]): app for app in config["applications"]}
    there = {str(name): app for name, app in details.get("applications", {}).items()}
    declared = {name for name, app in there.items() if app.get("source") == "declarative"}
    own = {str(app["name"]) for app in asked.get("applications") or ()}
    changed, kept = [], sorted(set(there) - declared - set(wanted))
    for name in sorted(set(wanted) & set(there)):
        before = there[name].get("deployed_app_config") or {}
        lines = list(_list_differences(normalize(before), normalize(wanted[name])))
        if name in own and there[name].get("status") in _DEPLOYED_ANEW:
            lines.append(f"it is {there[name]['status']}, and would be deployed anew")
        elif name not in declared:
            lines.append("it was deployed by `serve.run`, and would be taken over")
        if lines:
            more = [f"and {len(lines) - MOST_KEYS} more"] if len(lines) > MOST_KEYS else []
            changed.append((name, (*lines[:MOST_KEYS], *more)))
        else:
            kept.append(name)
    return Changes(
        added=tuple(sorted(set(wanted) - set(there))),
        changed=tuple(changed),
        deleted=tuple(sorted(declared - set(wanted))),
        kept=tuple(sorted(kept)),
        ignored=tuple(list_ignored(asked, details)),
    )


def list_ignored(asked: Mapping[str, Any], details: Mapping[str, Any]) -> Iterator[str]:
    """Where Serve runs it keeps the options that it was started with (``put_all_applications`` of
    ray/dashboard/modules/serve/serve_head.py says so in the dashboard's log alone).
    """
    if not details.get("controller_info"):
        return
    pairs = [("proxy_location", asked.get("proxy_location", _MISSING), details.get("proxy_location") or _MISSING)]
    for section in ("http_options", "grpc_options"):
        given, found = asked.get(section) or {}, details.get(section) or {}
        pairs += [(f"{section}.{key}", value, found.get(key, _MISSING)) for key, value in given.items()]
    for key, wanted, found in pairs:
        if wanted != found and wanted is not _MISSING and found is not _MISSING:
            now = found if isinstance(found, str) else quote_value(found)
            name = key.rpartition(".")[2]
            yield f"Serve runs here already with {name} {now}; {key} of the file, {quote_value(wanted)}, has no effect"


def normalize(app: Mapping[str, Any]) -> dict[str, Any]:
    """An application's configuration as Serve keeps it, so that two that mean the same are equal."""
    from ray.serve.schema import ServeApplicationSchema  # takes a second

    try:
        kept: dict[str, Any] = ServeApplicationSchema.model_validate(dict(app)).model_dump(
            mode="json", exclude_unset=True
        )
    except (ValidationError, ValueError):
        # Serve refuses it, and says why.
        return dict(app)
    return kept


def _list_differences(before: Any, after: Any, path: Path = ()) -> Iterator[str]:
    """A line for each key that differs. Lists of named things are compared by name, since their order says nothing."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys([*before, *after]):
            yield from _list_differences(before.get(key, _MISSING), after.get(key, _MISSING), (*path, key))
    elif (named := _index_by_name(before)) is not None and (others := _index_by_name(after)) is not None:
        yield from _list_differences(named, others, path)
    elif before != after:
        yield f"{format_path(path)}: {_show(before, path)} -> {_show(after, path)}"


def _index_by_name(items: Any) -> dict[str, Any] | None:
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        return None
    names = [item.get("name", item.get("id")) for item in items]
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        return None
    return dict(zip(names, items, strict=True))


def _show(value: Any, path: Path) -> str:
    if value is _MISSING:
        return "nothing"
    if "env_vars" in path or is_secret_pair(str(path[-1]), str(value)):
        return "a value that is not shown"
    return f"a {type(value).__name__} of {len(value)}" if isinstance(value, dict | list) else quote_value(value)
