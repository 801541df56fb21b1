"""What a configuration for this application has to be: Ray's own schemas, then ours, then the two together.

Every rule yields mistakes as (path, what was got, what was expected); lines and wording belong to ``serve_app.check``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from organs.models import OrganConfig
from organs.version import read_own_version
from serve_app import parts
from serve_app.alerts.settings import AlertsConfig
from serve_app.check.tree import Path
from serve_app.jobs.settings import InspectorConfig
from serve_app.organism.settings import ManagerConfig
from serve_app.redaction import redact
from serve_app.settings import AppArgs, IngressConfig

IMPORT_PATH = "serve_app.main:build"
USER_CONFIGS: dict[str, type[BaseModel] | None] = {
    parts.INGRESS: IngressConfig,
    parts.MANAGER: ManagerConfig,
    parts.INSPECTOR: InspectorConfig,
    parts.ALERTS: AlertsConfig,
    parts.STORE: None,
}
# Two of them would write over each other: the manager's decisions, the inspector's rows, alerts, the database file.
SINGLE = (parts.MANAGER, parts.INSPECTOR, parts.ALERTS, parts.STORE)
_SHOWN = 60
_LISTED = 12


@dataclass(frozen=True)
class Mistake:
    """One thing that is wrong, without its place in the file. ``path`` is from the top of the document."""

    path: Path
    got: str
    expected: str


def rays_rules(document: Mapping[str, Any]) -> Iterator[Mistake]:
    """Keys and values that Ray's schema does not know. Ray itself ignores unknown keys without a word."""
    from ray.serve.schema import ServeDeploySchema  # takes a second, and only this rule needs it

    yield from _unknown_keys(document, ServeDeploySchema, ())
    try:
        ServeDeploySchema.model_validate(document)
    except ValidationError as error:
        yield from _of_pydantic(error, (), ServeDeploySchema)


def our_rules(document: Mapping[str, Any]) -> Iterator[Mistake]:
    """What ``args`` and ``deployments`` of our applications have to be. Other applications are not ours to judge."""
    for index, app in enumerate(_list(document.get("applications"))):
        if isinstance(app, dict) and app.get("import_path") == IMPORT_PATH:
            yield from _application(app, ("applications", index))


def near(word: str, known: Iterable[str]) -> str:
    """``one of a, b, c (nearest: a)``."""
    choices = list(dict.fromkeys(known))
    lowered = {choice.lower(): choice for choice in choices}
    matches = [lowered[match] for match in difflib.get_close_matches(word.lower(), lowered, n=3)]
    if len(choices) > _LISTED and matches:
        return f"a known one (nearest: {', '.join(matches)})"
    return f"one of {', '.join(choices)}" + (f" (nearest: {matches[0]})" if matches else "")


def shown(value: Any) -> str:
    """A value as it is quoted in a message, cut to a readable length."""
    text = redact(repr(value))
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _application(app: Mapping[str, Any], path: Path) -> Iterator[Mistake]:
    args = app.get("args") or {}
    if not isinstance(args, dict):
        return  # Ray's rules have said so
    try:
        wanted = AppArgs.model_validate(args)
    except ValidationError as error:
        yield from _of_pydantic(error, (*path, "args"), AppArgs)
    else:
        if wanted.code_version not in (None, read_own_version()):
            expected = f"{read_own_version()}, which this code is, or no such key"
            yield Mistake((*path, "args", "code_version"), shown(wanted.code_version), expected)
    given = [organ for organ in _list(args.get("organs")) if isinstance(organ, dict)]
    organs = {organ["id"]: organ.get("type") for organ in given if isinstance(organ.get("id"), str)}
    yield from _deployments(app, path, organs)


def _deployments(app: Mapping[str, Any], path: Path, organs: Mapping[str, Any]) -> Iterator[Mistake]:
    names: set[str] = set()
    for index, deployment in enumerate(_list(app.get("deployments"))):
        here: Path = (*path, "deployments", index)
        if not isinstance(deployment, dict) or not isinstance(deployment.get("name"), str):
            continue  # Ray's rules have said so
        name = deployment["name"]
        if name in names:
            yield Mistake((*here, "name"), shown(name), "each deployment once; Serve would use the last")
        names.add(name)
        if name not in USER_CONFIGS and name not in organs:
            yield Mistake((*here, "name"), shown(name), near(name, [*USER_CONFIGS, *organs]))
            continue
        yield from _deployment(name, organs.get(name), deployment, here)


def _deployment(name: str, organ_type: Any, deployment: Mapping[str, Any], path: Path) -> Iterator[Mistake]:
    if name in SINGLE:
        if deployment.get("num_replicas", 1) not in (1, None):
            yield Mistake((*path, "num_replicas"), shown(deployment["num_replicas"]), f"1; there is one {name}, always")
        if deployment.get("autoscaling_config") is not None:
            yield Mistake((*path, "autoscaling_config"), "autoscaling", f"none; there is one {name}, always")
    given = deployment.get("user_config")
    model = USER_CONFIGS.get(name, OrganConfig)
    if given is None or not isinstance(given, dict):
        return
    if model is None:
        yield Mistake((*path, "user_config"), shown(given), f"no user_config; {name} has no settings")
        return
    try:
        config = model.model_validate(given)
    except ValidationError as error:
        yield from _of_pydantic(error, (*path, "user_config"), model)
        return
    if isinstance(config, OrganConfig):
        yield from _skills(config, organ_type, (*path, "user_config"))


def _skills(config: OrganConfig, organ_type: Any, path: Path) -> Iterator[Mistake]:
    from organs.catalog import ORGAN_TYPES, Catalog, CatalogError  # imports skills, also those of users

    if organ_type not in ORGAN_TYPES:
        return  # said where the type stands
    for index, skill in enumerate(config.skills):
        try:
            Catalog.load(organ_type, OrganConfig(skills=(skill,)))
        except CatalogError as error:
            yield Mistake((*path, "skills", index), shown(skill), f"a skill of this organ: {error}")
            return
    try:
        Catalog.load(organ_type, config)
    except CatalogError as error:
        yield Mistake((*path, error.key), shown(getattr(config, error.key)), f"another value: {error}")


def _unknown_keys(value: Any, model: type[BaseModel], path: Path) -> Iterator[Mistake]:
    if not isinstance(value, dict):
        return
    for key, each in value.items():
        field = model.model_fields.get(key) if isinstance(key, str) else None
        if field is None:
            yield Mistake((*path, key), "an unknown key", near(str(key), model.model_fields))
            continue
        inner, is_list = _model_in(field.annotation)
        if inner is None:
            continue
        if is_list:
            for index, item in enumerate(_list(each)):
                yield from _unknown_keys(item, inner, (*path, key, index))
        else:
            yield from _unknown_keys(each, inner, (*path, key))


def _model_in(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    for inner in get_args(annotation):
        model, nested = _model_in(inner)
        if model is not None:
            return model, nested or getattr(annotation, "__origin__", None) is list
    return None, False


def _of_pydantic(error: ValidationError, prefix: Path, model: type[BaseModel]) -> Iterator[Mistake]:
    errors = error.errors(include_url=False)
    for each in errors:
        path = (*prefix, *each["loc"])
        if each["type"] == "too_short" and any(_is_below(other["loc"], each["loc"]) for other in errors):
            continue  # items that are wrong themselves are not counted
        if each["type"] == "extra_forbidden":
            known = _fields_at(model, each["loc"][:-1])
            if prefix or known:  # an unknown key of Ray's strict models was told already by the walk
                yield Mistake(path, "an unknown key", near(str(each["loc"][-1]), known))
        elif each["type"] == "missing":
            yield Mistake(path, "nothing", "this key")
        elif each["type"] == "literal_error":
            choices = [choice.strip("' ") for choice in each["ctx"]["expected"].replace(" or ", ", ").split(",")]
            yield Mistake(path, shown(each["input"]), near(str(each["input"]), choices))
        elif each["type"] == "value_error":
            yield Mistake(path, _got(each["input"]), f"another value: {each['ctx']['error']}")
        else:
            yield Mistake(path, _got(each["input"]), each["msg"].removeprefix("Input should be "))


def _is_below(loc: Path, other: Path) -> bool:
    return len(loc) > len(other) and loc[: len(other)] == other


def _got(value: Any) -> str:
    return (
        f"a {type(value).__name__} of {len(value)}"
        if isinstance(value, dict | list) and len(value) > 3
        else shown(value)
    )


def _fields_at(model: type[BaseModel], loc: tuple[str | int, ...]) -> list[str]:
    for part in loc:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        inner = _model_in(field.annotation)[0] if field is not None else None
        if inner is None:
            return []
        model = inner
    return list(model.model_fields)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
