"""What was in force before the last deployment, kept in ``<home>/deployed.json`` so that one can go back to it.

The file is readable by this user alone: a configuration of Serve may hold secrets of others. It holds what was changed
and no more, since what others deploy later is not ours to take back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from serve_app.deploy.changes import Changes
from serve_app.deploy.failure import ConfigurationRefused, Failure
from serve_app.parts import IMPORT_PATH

# Keys of a runtime environment with which code comes to every node.
_WITH_CODE = ("working_dir", "py_modules", "image_uri", "container")
_MOST_KEPT = 20


class Before(BaseModel):
    """What one deployment replaced: ``applications`` as they were, ``added`` did not exist, by ``product`` version.

    Another version may have written it, or may read it later: what is not known is passed over, and nothing that is
    known here may become required.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    applications: tuple[dict[str, Any], ...] = ()
    added: tuple[str, ...] = ()
    product: str = ""
    kept_at: str = ""


class _File(BaseModel):
    """By the address of a cluster's dashboard, the newest last."""

    model_config = ConfigDict(extra="ignore")

    clusters: dict[str, Before] = Field(default_factory=dict)


def find_file(home: Path) -> Path:
    """Where it is kept."""
    return home / "deployed.json"


def load(home: Path, dashboard_url: str) -> Before | None:
    """What was in force there before; None when nothing was deployed from this home. Raises ``Failure``."""
    return _read(home).clusters.get(dashboard_url)


@contextmanager
def keep(home: Path, dashboard_url: str, before: Before) -> Iterator[None]:
    """Keep it while a configuration is sent, which may be interrupted; raises ``Failure``.

    Where Serve refuses the configuration nothing was replaced, and the way back stays the one that there was.
    """
    kept = load(home, dashboard_url)
    save(home, dashboard_url, before)
    try:
        yield
    except ConfigurationRefused:
        save(home, dashboard_url, kept)
        raise


def save(home: Path, dashboard_url: str, before: Before | None) -> None:
    """Keep it in the place of what was kept of that cluster, or nothing; raises ``Failure``."""
    clusters = _read(home).clusters
    clusters.pop(dashboard_url, None)
    if before is not None:
        clusters[dashboard_url] = before
    kept = dict([*clusters.items()][-_MOST_KEPT:])
    path = find_file(home)
    draft = path.with_suffix(".tmp")
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft.unlink(missing_ok=True)
        draft.touch(mode=0o600)
        draft.write_text(_File(clusters=kept).model_dump_json(indent=2) + "\n")
        draft.replace(path)
    except OSError as error:
        raise Failure(
            f"What is in force cannot be kept in {path}: {error.strerror}, so there would be no way back.",
            "Set SEEDCORE_HOME to a directory that can be written.",
        ) from None


def note_before(
    changes: Changes, details: Mapping[str, Any], kept: Before | None, product: str, kept_at: str
) -> Before:
    """What ``changes`` replace of what Serve has in force (its account is ``details``).

    What failed was never in force: of that application it stays as it was ``kept`` before.
    """
    there = details.get("applications", {})
    names = [*(name for name, _ in changes.changed), *changes.deleted]
    earlier = {str(app.get("name")): app for app in (() if kept is None else kept.applications)}
    earlier |= {name: {} for name in (() if kept is None else kept.added)}
    failed = [name for name in names if there[name].get("status") == "DEPLOY_FAILED" and name in earlier]
    configs = [earlier[name] if name in failed else there[name].get("deployed_app_config") for name in names]
    return Before(
        applications=tuple(config for config in configs if config),
        added=(*changes.added, *(name for name in failed if not earlier[name])),
        product=product,
        kept_at=kept_at,
    )


def has_own_code(app: Mapping[str, Any]) -> bool:
    """Whether the code of an application comes with its runtime environment, and not with what is installed."""
    environment = app.get("runtime_env")
    return isinstance(environment, Mapping) and any(environment.get(key) for key in _WITH_CODE)


def keep_version(own: Mapping[str, Any], stamped: Mapping[str, Any]) -> dict[str, Any]:
    """The stamped application; where its code comes with it, with the version that the file names, if any."""
    if not has_own_code(own):
        return dict(stamped)
    args = {key: value for key, value in (stamped.get("args") or {}).items() if key != "code_version"}
    version = (own.get("args") or {}).get("code_version")
    return {**stamped, "args": args if version is None else {**args, "code_version": version}}


def list_needed_versions(applications: Iterable[Mapping[str, Any]]) -> list[str]:
    """Versions of this code that must be installed on the nodes for these applications."""
    given = [
        app.get("args") or {} for app in applications if app.get("import_path") == IMPORT_PATH and not has_own_code(app)
    ]
    return sorted({str(args["code_version"]) for args in given if args.get("code_version")})


def _read(home: Path) -> _File:
    path = find_file(home)
    try:
        return _File.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return _File()
    except (OSError, ValidationError) as error:
        raise Failure(
            f"{path} cannot be read as what a deployment wrote there: {str(error).splitlines()[0]}.",
            "Move the file away; the way back to what was in force before is lost with it.",
        ) from None
