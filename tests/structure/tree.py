"""A checkout as its syntax trees tell it. Nothing is imported, so that any commit of the past can be read."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PRODUCT = ("serve_app", "organs")
CODE = (*PRODUCT, "tests", "deploy")


@dataclass(frozen=True)
class Function:
    name: str
    is_property: bool

    @property
    def is_dunder(self) -> bool:
        return self.name.startswith("__") and self.name.endswith("__")


@dataclass(frozen=True)
class Module:
    """``path``: from the checkout; ``classes``: public, of the top level; ``functions``: all, nested ones too."""

    path: Path
    line_count: int
    classes: tuple[str, ...]
    functions: tuple[Function, ...]

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def folder(self) -> str:
        return self.path.parent.as_posix()

    @property
    def is_product(self) -> bool:
        return self.path.parts[0] in PRODUCT


def read_modules(checkout: Path) -> list[Module]:
    """Every Python file below ``CODE``, in the order of the paths.

    :raises FileNotFoundError: the product is not there.
    """
    if not all((checkout / name).is_dir() for name in PRODUCT):
        raise FileNotFoundError(f"{checkout} is no checkout of this project: {' and '.join(PRODUCT)} are not in it")
    paths = sorted(path for name in CODE for path in (checkout / name).rglob("*.py"))
    return [_read_module(checkout, path) for path in paths]


def _read_module(checkout: Path, path: Path) -> Module:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text, filename=str(path))
    classes = (node.name for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_"))
    return Module(path.relative_to(checkout), len(text.splitlines()), tuple(classes), tuple(_list_functions(tree)))


def _list_functions(tree: ast.Module) -> Iterator[Function]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield Function(node.name, any(_is_property(each) for each in node.decorator_list))


def _is_property(decorator: ast.expr) -> bool:
    words = ast.unparse(decorator).split("(")[0].split(".")
    return words[-1].endswith("property") or (len(words) == 2 and words[-1] in ("setter", "getter", "deleter"))
