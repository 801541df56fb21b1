"""What a configuration for this application has to be: Ray's own schemas, then ours, then the two together.

Every rule yields mistakes as (path, what was got, what was expected); lines and wording belong to ``serve_app.check``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, ValidationError

from organs.live.mistakes import Mistake, Path, find_model, list_mistakes, suggest_nearest
from organs.models import OrganConfig
from organs.times import format_time
from organs.version import read_own_version
from serve_app import parts
from serve_app.alerts.settings import AlertsConfig
from serve_app.jobs.settings import InspectorConfig
from serve_app.organism.settings import ManagerConfig
from serve_app.redaction import redact
from serve_app.settings import AppArgs, IngressConfig
from serve_app.store.live.config import StoreConfig

IMPORT_PATH = parts.IMPORT_PATH
USER_CONFIGS: dict[str, type[BaseModel]] = {
    parts.INGRESS: IngressConfig,
    parts.MANAGER: ManagerConfig,
    parts.INSPECTOR: InspectorConfig,
    parts.ALERTS: AlertsConfig,
    parts.STORE: StoreConfig,
}
# Two of them would write over each other: the manager's decisions, the inspector's rows, alerts, the database file.
SINGLE = (parts.MANAGER, parts.INSPECTOR, parts.ALERTS, parts.STORE)
_SHOWN = 60
# Deeper than anything that people write; what writes YAML gives up at some hundreds.
_MOST_LEVELS, _LEVELS_SHOWN = 100, 6


def check_by_ray(document: Mapping[str, Any]) -> Iterator[Mistake]:
    """Keys and values that Ray's schema does not know. Ray itself ignores unknown keys without a word."""
    from ray.serve.schema import ServeDeploySchema  # takes a second, and only this rule needs it

    if strange := list(_find_strange_items(document)):
        yield from strange  # Ray's own rules fail at them
        return
    yield from _find_unknown_keys(document, ServeDeploySchema, ())
    try:
        ServeDeploySchema.model_validate(document)
    except ValidationError as error:
        yield from list_mistakes(error, (), ServeDeploySchema, quote_value)
    else:
        yield from _check_scaling(document)


def check_characters(value: Any, path: Path = (), around: frozenset[int] = frozenset()) -> Iterator[Mistake]:
    """Texts that hold half a character (``"\\ud800"``): no model takes them, and nothing can print them."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            yield Mistake(path, quote_value(value), "characters that are whole")
    elif isinstance(value, dict | list) and id(value) not in around:
        inside = around | {id(value)}
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from check_characters(key, (*path, ascii(key)) if isinstance(key, str) else path, inside)
            yield from check_characters(each, (*path, key), inside)


def check_plainness(value: Any, path: Path = (), around: frozenset[int] = frozenset()) -> Iterator[Mistake]:
    """Values that YAML has and JSON has not: a configuration goes to Serve as JSON. ``around``: what it stands in."""
    if isinstance(value, dict | list):
        if id(value) in around:
            yield Mistake(path, "itself, by an alias", "a value that ends")
            return
        if len(path) >= _MOST_LEVELS:
            told = path[:_LEVELS_SHOWN]
            yield Mistake(told, "lists or mappings that nest too deeply", f"at most {_MOST_LEVELS} levels")
            return
        inside = around | {id(value)}
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            if not isinstance(key, str | int | float | None):
                expected = "keys that are texts, in quotes where YAML reads more"
                yield Mistake(path, f"the key {quote_value(key)}", expected)
                continue
            yield from check_plainness(each, (*path, key if isinstance(key, str | int) else str(key)), inside)
    elif isinstance(value, date):
        expected = f'a text in quotes, as "{value}", since Serve can be sent no times'
        yield Mistake(path, "a time, which YAML makes of it without quotes", expected)
    elif isinstance(value, float) and not math.isfinite(value):
        yield Mistake(path, f".{value}".replace(".-", "-."), "a number that ends; JSON has no other")
    elif not isinstance(value, str | int | float | None):
        yield Mistake(path, quote_value(value), "a text, a number, true, false, a list or a mapping")


def check_imports(document: Mapping[str, Any], find_failure: Callable[[str], str | None]) -> Iterator[Mistake]:
    """Applications whose code cannot be imported here. One that brings its code with it is tried where it is deployed.

    ``find_failure`` says why a path cannot be imported, None when it can. Ours is: this is its code.
    """
    for index, app in enumerate(_list(document.get("applications"))):
        wanted = app.get("import_path") if isinstance(app, dict) else None
        if not isinstance(wanted, str) or wanted == IMPORT_PATH or app.get("runtime_env"):
            continue
        if (why := find_failure(wanted)) is not None:
            expected = f"what can be imported here, or a runtime_env that brings it: {why}"
            yield Mistake(("applications", index, "import_path"), quote_value(wanted), expected)


def list_past_silences(document: Mapping[str, Any], now: datetime) -> Iterator[tuple[Path, str]]:
    """Silences that are over, each with its place and what to know of it: they do no harm, so they are no mistakes."""
    for index, app in enumerate(_list(document.get("applications"))):
        for number, deployment in enumerate(_list(app.get("deployments")) if isinstance(app, dict) else ()):
            if not isinstance(deployment, dict) or deployment.get("name") != parts.ALERTS:
                continue
            path: Path = ("applications", index, "deployments", number, "user_config", "silences")
            for place, silence in enumerate(AlertsConfig.model_validate(deployment.get("user_config") or {}).silences):
                if silence.until is not None and silence.until <= now:
                    yield (*path, place), f"this silence ended at {format_time(silence.until)}; it silences nothing"


def check_by_us(document: Mapping[str, Any], *, will_be_stamped: bool) -> Iterator[Mistake]:
    """What ``args`` and ``deployments`` of our applications have to be. Other applications are not ours to judge.

    ``will_be_stamped``: the version of the code that is in the file is replaced before it is deployed.
    """
    for index, app in enumerate(_list(document.get("applications"))):
        if isinstance(app, dict) and app.get("import_path") == IMPORT_PATH:
            yield from _check_application(app, ("applications", index), will_be_stamped)


def quote_value(value: Any) -> str:
    """A value as it is quoted in a message, cut to a readable length."""
    try:
        text = redact(repr(value))
    except ValueError:  # of a whole number with thousands of digits
        return f"a {type(value).__name__} of more digits than can be shown"
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _check_application(app: Mapping[str, Any], path: Path, will_be_stamped: bool) -> Iterator[Mistake]:
    args = app.get("args") or {}
    if not isinstance(args, dict):
        return  # Ray's rules have said so
    try:
        wanted = AppArgs.model_validate(args)
    except ValidationError as error:
        yield from list_mistakes(error, (*path, "args"), AppArgs, quote_value)
    else:
        if not will_be_stamped and wanted.code_version not in (None, read_own_version()):
            expected = f"{read_own_version()}, which this code is, or no such key"
            yield Mistake((*path, "args", "code_version"), quote_value(wanted.code_version), expected)
    given = [organ for organ in _list(args.get("organs")) if isinstance(organ, dict)]
    organs = {organ["id"]: organ.get("type") for organ in given if isinstance(organ.get("id"), str)}
    yield from _check_deployments(app, path, organs)


def _check_deployments(app: Mapping[str, Any], path: Path, organs: Mapping[str, Any]) -> Iterator[Mistake]:
    names: set[str] = set()
    for index, deployment in enumerate(_list(app.get("deployments"))):
        here: Path = (*path, "deployments", index)
        if not isinstance(deployment, dict) or not isinstance(deployment.get("name"), str):
            continue  # Ray's rules have said so
        name = deployment["name"]
        if name in names:
            yield Mistake((*here, "name"), quote_value(name), "each deployment once; Serve would use the last")
        names.add(name)
        if name not in USER_CONFIGS and name not in organs:
            yield Mistake((*here, "name"), quote_value(name), suggest_nearest(name, [*USER_CONFIGS, *organs]))
            continue
        yield from _check_deployment(name, organs.get(name), deployment, here)


def _check_deployment(name: str, organ_type: Any, deployment: Mapping[str, Any], path: Path) -> Iterator[Mistake]:
    if name in SINGLE:
        if deployment.get("num_replicas", 1) not in (1, None):
            yield Mistake(
                (*path, "num_replicas"), quote_value(deployment["num_replicas"]), f"1; there is one {name}, always"
            )
        if deployment.get("autoscaling_config") is not None:
            yield Mistake((*path, "autoscaling_config"), "autoscaling", f"none; there is one {name}, always")
    given = deployment.get("user_config", {})
    model = USER_CONFIGS.get(name, OrganConfig)
    if given is None:
        # Serve hands on no empty one (``call_reconfigure``, ray/serve/_private/replica.py): that in force would stay.
        yield Mistake((*path, "user_config"), "nothing", "a mapping of settings; {} for the defaults")
        return
    if not isinstance(given, dict):
        return
    try:
        config = model.model_validate(given)
    except ValidationError as error:
        yield from list_mistakes(error, (*path, "user_config"), model, quote_value)
        return
    if isinstance(config, OrganConfig):
        yield from _check_skills(config, organ_type, (*path, "user_config"))


def _check_skills(config: OrganConfig, organ_type: Any, path: Path) -> Iterator[Mistake]:
    from organs.catalog import ORGAN_TYPES, Catalog, CatalogError  # imports skills, also those of users

    if not isinstance(organ_type, str) or organ_type not in ORGAN_TYPES:
        return  # said where the type stands
    for index, skill in enumerate(config.skills):
        try:
            Catalog.load(organ_type, OrganConfig(skills=(skill,)))
        except CatalogError as error:
            yield Mistake((*path, "skills", index), quote_value(skill), f"a skill of this organ: {error}")
            return
    try:
        Catalog.load(organ_type, config)
    except CatalogError as error:
        yield Mistake((*path, error.key), quote_value(getattr(config, error.key)), f"another value: {error}")


def _check_scaling(document: Mapping[str, Any]) -> Iterator[Mistake]:
    """How deployments scale: Ray's schema takes any mapping for that, and Serve refuses it when it builds them."""
    from ray.serve.config import AutoscalingConfig

    for index, app in enumerate(document["applications"]):
        for number, deployment in enumerate(app.get("deployments") or ()):
            given = deployment.get("autoscaling_config")
            if not isinstance(given, dict):
                continue
            # What Serve fills in (``handle_num_replicas_auto``, ray/serve/_private/config.py).
            filled_in = {"max_replicas": 100} if deployment.get("num_replicas") == "auto" else {}
            try:
                AutoscalingConfig.model_validate({**filled_in, **given})
            except ValidationError as error:
                path: Path = ("applications", index, "deployments", number, "autoscaling_config")
                yield from list_mistakes(error, path, AutoscalingConfig, quote_value)


def _find_strange_items(document: Mapping[str, Any]) -> Iterator[Mistake]:
    for index, app in enumerate(_list(document.get("applications"))):
        if not isinstance(app, dict):
            yield Mistake(("applications", index), quote_value(app), "a mapping with `name` and `import_path`")
            continue
        for number, deployment in enumerate(_list(app.get("deployments"))):
            if not isinstance(deployment, dict):
                path: Path = ("applications", index, "deployments", number)
                yield Mistake(path, quote_value(deployment), "a mapping with `name`")


def _find_unknown_keys(value: Any, model: type[BaseModel], path: Path) -> Iterator[Mistake]:
    if not isinstance(value, dict):
        return
    for key, each in value.items():
        field = model.model_fields.get(key) if isinstance(key, str) else None
        if field is None:
            yield Mistake((*path, key), "an unknown key", suggest_nearest(str(key), model.model_fields))
            continue
        inner, is_list = find_model(field.annotation)
        if inner is None:
            continue
        if is_list:
            for index, item in enumerate(_list(each)):
                yield from _find_unknown_keys(item, inner, (*path, key, index))
        else:
            yield from _find_unknown_keys(each, inner, (*path, key))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
