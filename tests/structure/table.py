"""The counts as text: one column for each checkout, then what is worth a look in the last one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from tests.structure.counts import Counts

SHOWN_FOLDERS = 8
SHOWN_FILES = 8
SHOWN_NAMES = 30

_ROWS: tuple[tuple[str, Callable[[Counts], str]], ...] = (
    ("modules of the product", lambda counts: str(counts.modules)),
    ("largest folder (modules)", lambda counts: str(max(counts.folders.values(), default=0))),
    ("median / longest file (lines)", lambda counts: f"{counts.median_lines:.0f} / {max(counts.files.values())}"),
    ("modules that no stranger would guess", lambda counts: str(len(counts.forbidden))),
    ("modules named by a gerund", lambda counts: f"{len(counts.gerunds)} of {counts.modules}"),
    ("public class names with two meanings", lambda counts: str(len(counts.doubles))),
    ("functions (no properties, no dunders)", lambda counts: str(counts.functions)),
    ("functions that begin with a verb", lambda counts: f"{counts.verbs} = {counts.verb_share:.1%}"),
    ("names that end in _of", lambda counts: str(len(counts.of_names))),
)


def render_table(columns: Mapping[str, Counts]) -> str:
    """``columns``: heading -> counts, the oldest first. At least one."""
    newest = list(columns.values())[-1]
    lines = [_render_row("", list(columns))]
    lines += [_render_row(title, [render(counts) for counts in columns.values()]) for title, render in _ROWS]
    return "\n".join([*lines, *_render_lists(newest)])


def _render_row(title: str, cells: Sequence[str]) -> str:
    return f"{title:38}" + "".join(f"{cell:>18}" for cell in cells)


def _render_lists(counts: Counts) -> Iterator[str]:
    yield from _render_list("folders (modules)", _list_most(counts.folders, SHOWN_FOLDERS))
    yield from _render_list("files (lines)", _list_most(counts.files, SHOWN_FILES))
    yield from _render_list("modules that no stranger would guess", counts.forbidden)
    doubles = [f"{name}: {', '.join(paths)}" for name, paths in counts.doubles.items()]
    yield from _render_list("public class names with two meanings", doubles)
    yield from _render_list("names that end in _of", [" ".join(counts.of_names)] if counts.of_names else [])
    yield from _render_list("other names without a verb", _list_most(counts.other_names, SHOWN_NAMES))


def _list_most(counted: Mapping[str, int], most: int) -> list[str]:
    largest = sorted(counted.items(), key=lambda each: (-each[1], each[0]))
    return [f"{count:4}  {name}" for name, count in largest[:most]]


def _render_list(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield f"\n{title}"
        yield from (f"  {line}" for line in lines)
