"""``python -m tests.corpus.make [group or id …]``: run these programs, or all, on real Ray and write ``made/``.

With ``--labels`` nothing is run: what is said of the programs now is written into the recordings that there are.

A group may have ``ENV`` (of its head's processes), ``FILES`` (importable in its cluster), or ``head`` (a function that
returns a context manager of a cluster); the groups that have none of them share one cluster. A program may have a
``head`` of its own; programs with the same one, next to each other, share its cluster.
"""

from __future__ import annotations

import importlib
import itertools
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from tests.corpus import programs
from tests.corpus.recording import MADE, Program, relabel, run_program, save
from tests.record.cluster import Cluster
from tests.record.nodes import head

# What the programs import beside what Ray brings.
LIBRARIES = ("tqdm", "rich", "boto3")


def groups() -> dict[str, ModuleType]:
    """The groups by their names."""
    root = Path(programs.__path__[0])
    paths = sorted(path for path in root.glob("*/*.py") if path.stem != "__init__")
    return {path.stem: importlib.import_module(f"{programs.__name__}.{path.parent.name}.{path.stem}") for path in paths}


def main(words: list[str], labels_only: bool = False) -> None:
    """Make what the words name; raises SystemExit when one names nothing, or a program did not end as it should."""
    wanted = {name: _wanted(name, module, words) for name, module in groups().items()}
    known = set(wanted) | {each.id for chosen in wanted.values() for each in chosen}
    if unknown := set(words) - known:
        raise SystemExit(f"unknown: {', '.join(sorted(unknown))}; there are the groups {', '.join(wanted)}")
    if labels_only:
        for program in (each for chosen in wanted.values() for each in chosen):
            if (MADE / f"{program.id}.json").exists():
                relabel(program)
        return
    shared: list[Program] = []
    failed: list[str] = []
    for name, chosen in wanted.items():
        module = groups()[name]
        failed += _make_alone(each for each in chosen if each.head)
        chosen = [each for each in chosen if not each.head]
        if not hasattr(module, "head") and not hasattr(module, "ENV") and not hasattr(module, "FILES"):
            shared += chosen
        elif chosen:
            start = getattr(module, "head", None) or _head_of(module)
            with start() as cluster:
                failed += _make(cluster, chosen)
    if shared:
        with head() as cluster:
            failed += _make(cluster, shared)
    if failed:
        raise SystemExit(f"not made: {', '.join(failed)}")


def _wanted(name: str, module: ModuleType, words: list[str]) -> list[Program]:
    return [each for each in module.PROGRAMS if not words or name in words or each.id in words]


def _head_of(module: ModuleType):
    return lambda: head(getattr(module, "ENV", None), getattr(module, "FILES", None))


def _make_alone(chosen: Iterable[Program]) -> list[str]:
    """Those that have a head of their own, or share it with their neighbours."""
    failed = []
    for start, together in itertools.groupby(chosen, lambda each: each.head):
        if start:
            with start() as cluster:
                failed += _make(cluster, together)
    return failed


def _make(cluster: Cluster, chosen: Iterable[Program]) -> list[str]:
    """Run one after the other; returns the ids of those that did not end as they should, having said why."""
    failed = []
    chosen = list(chosen)
    if not all(each.head for each in chosen):
        command = [sys.executable, "-m", "pip", "install", "-q", "--target", str(cluster.directory), *LIBRARIES]
        subprocess.run(command, check=True)
    for program in chosen:
        try:
            path = save((program.play or run_program)(cluster, program))
            print(f"{path.name}: {path.stat().st_size} bytes", flush=True)
        except SystemExit as error:
            print(error, flush=True)
            failed.append(program.id)
    return failed


if __name__ == "__main__":
    main([word for word in sys.argv[1:] if word != "--labels"], "--labels" in sys.argv)
