"""The published schema, as tests read it: its fields, what an answer may hold, and what an answer filled of it."""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import jsonschema

import organs.models
import serve_app.schemas

Document = Mapping[str, Any]
_PREFIX = "#/components/schemas/"
_ANY_JSON = f"{_PREFIX}JsonValue"
_SCALARS = ("string", "integer", "number", "boolean", "null")


def list_operations(document: Document) -> dict[str, Any]:
    """Operations by ``METHOD /path``."""
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def find_operation(document: Document, method: str, path: str) -> str:
    """The operation that answers a request; the one with the fewest parameters, as routes are written."""
    found = []
    for name in list_operations(document):
        verb, template = name.split(" ", 1)
        pattern = re.sub(r"\{[a-z_]+\}", "[^/]+", template)
        if verb == method and re.fullmatch(pattern, path):
            found.append((template.count("{"), name))
    return min(found)[1]


def find_schema(document: Document, operation: str, status: int, media_type: str) -> Any:
    """What is published for an answer; raises ``KeyError`` for one that is not."""
    return list_operations(document)[operation]["responses"][str(status)]["content"][media_type]["schema"]


def list_faults(document: Document, schema: Any, value: Any) -> list[str]:
    """What of an answer is not as published: place and sentence."""
    validator = jsonschema.Draft202012Validator({**document, **schema})
    return [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(value)]


def list_answered(document: Document) -> set[str]:
    """Names of the schemas that JSON answers are made of."""
    found: set[str] = set()
    waiting = [
        content["schema"]
        for operation in list_operations(document).values()
        for response in operation["responses"].values()
        for media_type, content in response.get("content", {}).items()
        if media_type.endswith("json")
    ]
    # The last event of a followed log is JSON, too; OpenAPI cannot say so of a stream.
    waiting.append({"$ref": f"{_PREFIX}LogEnd"})
    while waiting:
        for name in set(_list_references(waiting.pop())) - found:
            found.add(name)
            waiting.append(document["components"]["schemas"][name])
    return found


def list_fields(document: Document, names: set[str]) -> dict[str, Any]:
    """Properties of schemas by ``Schema.property``, each under the schema that first has it."""
    return {
        name_field(schema, name): field
        for schema in sorted(names)
        for name, field in document["components"]["schemas"][schema].get("properties", {}).items()
    }


def list_filled(document: Document, schema: Any, value: Any) -> Iterator[str]:
    """Fields that a value filled: neither null nor empty."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_PREFIX)
        target = document["components"]["schemas"][name]
        for field, inner in target.get("properties", {}).items():
            if isinstance(value, dict) and value.get(field) not in (None, "", [], {}):
                yield name_field(name, field)
                yield from list_filled(document, inner, value[field])
        return
    for option in schema.get("anyOf", ()):
        if not list_faults(document, option, value):
            yield from list_filled(document, option, value)
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        for each in value:
            yield from list_filled(document, schema["items"], each)
    if isinstance(value, dict) and isinstance(schema.get("additionalProperties"), dict):
        for each in value.values():
            yield from list_filled(document, schema["additionalProperties"], each)


def list_open(schema: Any, where: str) -> Iterator[str]:
    """Places of a schema that take any field or any value: maps, and what has no type."""
    kind = schema.get("type")
    if "anyOf" in schema:
        for option in schema["anyOf"]:
            yield from list_open(option, where)
    elif kind == "object" and "properties" in schema:
        yield from () if schema.get("additionalProperties") is False else [f"{where} (further properties)"]
    elif kind == "object":
        yield where
        yield from list_open(schema.get("additionalProperties", {}), f"{where}.*")
    elif kind == "array":
        yield from list_open(schema.get("items", {}), where)
    elif kind not in _SCALARS and not _is_typed_otherwise(schema):
        yield f"{where} (untyped)"


def name_field(schema: str, field: str) -> str:
    """``Schema.field``, with the schema from which this one has it: a field is one however many answers have it."""
    kind = _TYPES.get(schema)
    while kind is not None:
        bases = [base for base in getattr(kind, "__orig_bases__", ()) if field in getattr(base, "__annotations__", {})]
        if not bases:
            return f"{kind.__name__}.{field}"
        kind = bases[0]
    return f"{schema}.{field}"


def _is_typed_otherwise(schema: Any) -> bool:
    """By a reference, which is looked at by itself but for that to any JSON, or by its words."""
    return "enum" in schema or "const" in schema or schema.get("$ref", _ANY_JSON) != _ANY_JSON


def _list_references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"].removeprefix(_PREFIX)
        for each in node.values():
            yield from _list_references(each)
    elif isinstance(node, list):
        for each in node:
            yield from _list_references(each)


def _list_types() -> Iterator[tuple[str, Any]]:
    modules = [
        import_module(f"serve_app.schemas.{each.name}") for each in pkgutil.iter_modules(serve_app.schemas.__path__)
    ]
    for module in (*modules, organs.models):
        for name, value in vars(module).items():
            if isinstance(value, type) and hasattr(value, "__total__"):
                yield name, value


_TYPES = dict(_list_types())
