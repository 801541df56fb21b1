"""The counts of a checkout, and which limits of the house they break."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.structure.tree import Module, read_modules
from tests.structure.verbs import FORBIDDEN_MODULES, is_verb

MOST_MODULES = 15
LEAST_VERB_SHARE = 0.60
MOST_OF_NAMES = 19

# A table of data in files, grouped by subject: it grows with every signature and is read through one list.
UNCOUNTED_FOLDERS = ("signatures",)
# Nouns that only look like gerunds.
_NO_GERUNDS = frozenset({"string", "strings", "thing", "things", "ring", "king", "bring"})


@dataclass(frozen=True)
class Counts:
    """The product is ``serve_app`` and ``organs``; ``folders`` and ``forbidden`` count the tests, too.

    ``doubles``: public class names that are defined more than once -> the modules; ``other_names``: names of functions
    that begin with no verb -> how often each is defined.
    """

    modules: int
    folders: Mapping[str, int]
    files: Mapping[str, int]
    forbidden: tuple[str, ...]
    doubles: Mapping[str, tuple[str, ...]]
    gerunds: tuple[str, ...]
    functions: int
    verbs: int
    of_names: tuple[str, ...]
    other_names: Mapping[str, int]

    @property
    def verb_share(self) -> float:
        return self.verbs / self.functions if self.functions else 1.0

    @property
    def median_lines(self) -> float:
        return median(self.files.values()) if self.files else 0.0


def count_structure(checkout: Path) -> Counts:
    """Count what is in ``checkout``.

    :raises FileNotFoundError: it is no checkout of this project.
    """
    modules = read_modules(checkout)
    product = [module for module in modules if module.is_product]
    named = [module for module in product if module.name != "__init__"]
    names = [each.name for module in product for each in module.functions if not (each.is_property or each.is_dunder)]
    return Counts(
        modules=len(named),
        folders=_count_folders(modules),
        files={str(module.path): module.line_count for module in product},
        forbidden=tuple(str(module.path) for module in modules if _is_forbidden(module)),
        doubles=_find_doubles(product),
        gerunds=tuple(str(module.path) for module in named if is_gerund(module.name)),
        functions=len(names),
        verbs=sum(map(is_verb, names)),
        of_names=tuple(sorted(name for name in names if name.endswith("_of"))),
        other_names=Counter(name for name in names if not is_verb(name)),
    )


def list_breaches(counts: Counts) -> list[str]:
    """The limits that are broken, one sentence each; empty when the house is in order."""
    return list(_list_breaches(counts))


def is_gerund(module_name: str) -> bool:
    """Whether a word of the name ends as a gerund does. ``tracing`` is one although its name is public."""
    return any(word.endswith("ing") and len(word) > 4 and word not in _NO_GERUNDS for word in module_name.split("_"))


def _count_folders(modules: Iterable[Module]) -> dict[str, int]:
    counted = Counter(
        module.folder
        for module in modules
        if module.name != "__init__" and module.path.parent.name not in UNCOUNTED_FOLDERS
    )
    return dict(counted.most_common())


def _is_forbidden(module: Module) -> bool:
    """A test bears the name of what it tests: ``test_told`` falls with ``told``. Corpus programs play users' work."""
    return module.name.removeprefix("test_") in FORBIDDEN_MODULES and not module.folder.startswith("tests/corpus/")


def _find_doubles(product: Iterable[Module]) -> dict[str, tuple[str, ...]]:
    places: dict[str, list[str]] = {}
    for module in product:
        for name in module.classes:
            places.setdefault(name, []).append(str(module.path))
    return {name: tuple(paths) for name, paths in sorted(places.items()) if len(paths) > 1}


def _list_breaches(counts: Counts) -> Iterator[str]:
    for folder, count in counts.folders.items():
        if count > MOST_MODULES:
            yield f"{folder} has {count} modules; at most {MOST_MODULES} are allowed"
    for path in counts.forbidden:
        yield f"{path} bears a name that no stranger would guess"
    for name, paths in counts.doubles.items():
        yield f"the class name {name} has {len(paths)} meanings: {', '.join(paths)}"
    if counts.verb_share < LEAST_VERB_SHARE:
        yield f"{counts.verb_share:.1%} of the functions begin with a verb; at least {LEAST_VERB_SHARE:.0%} must"
    if len(counts.of_names) > MOST_OF_NAMES:
        yield f"{len(counts.of_names)} names of functions end in _of; at most {MOST_OF_NAMES} are allowed"
