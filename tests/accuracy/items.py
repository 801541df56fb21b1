"""Logs of known cause: made by real runs, and remade after real ones (``tests/corpus``), published by users
(``SEEDCORE_DATA``), or handed over in a file.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serve_app.jobs.diagnosis.models import Fields, SourceKind, TextSource

MADE = Path(__file__).parents[1] / "corpus" / "made"
REMADE = MADE.parent / "remade-logs.jsonl"
WORLD = MADE.parent / "world-logs.jsonl"
WORLD_HELD_OUT = MADE.parent / "world-held-out-logs.jsonl"
_FOUND = "found-logs.jsonl"


@dataclass(frozen=True, slots=True)
class Item:
    """One log with its label; ``primary`` is a code, ``none`` or ``unknown``."""

    id: str
    part: str  # made, held-out, remade, world, world held-out, found, or the name of a file
    primary: str
    acceptable: frozenset[str]
    evidence: str
    fields: Fields
    texts: tuple[tuple[str, SourceKind, bytes], ...]

    def sources(self) -> list[TextSource]:
        return [TextSource(name, kind, [data]) for name, kind, data in self.texts]


def made_items(folder: Path = MADE) -> list[Item]:
    """Recordings of real runs; a third of them, by the hash of their id, is kept apart from tuning."""
    return [_made(json.loads(path.read_text(encoding="utf-8"))) for path in sorted(folder.glob("*.json"))]


def found_items() -> list[Item] | None:
    """Logs that users published; None where that file is not beside the project."""
    place = found_file()
    return read_items(place, "found") if place.is_file() else None


def remade_items() -> list[Item]:
    """Logs made anew after real ones; rules may be tuned on them."""
    return read_items(REMADE, "remade")


def world_items() -> list[Item]:
    """Logs made anew after real ones that were labelled before any engine saw them; rules may be tuned on them."""
    return read_items(WORLD, "world")


def world_held_out_items() -> list[Item]:
    """The other half of these, on which no rule was tuned: scored as a whole, and never read one by one."""
    return read_items(WORLD_HELD_OUT, "world held-out")


def read_items(place: Path, part: str) -> list[Item]:
    """Labelled logs, one JSON object a line; raises ``OSError`` and ``ValueError`` for a file that is none."""
    # Of a log, only the line feed ends a line: a text may hold other signs that Python counts as one.
    lines = place.read_text(encoding="utf-8").split("\n")
    return [_found(json.loads(line), part) for line in lines if line.strip()]


def found_file() -> Path:
    beside = Path(__file__).parents[2].parent / "shared" / "data"
    return Path(os.environ.get("SEEDCORE_DATA", str(beside))) / _FOUND


def is_held_out(id: str) -> bool:
    return int.from_bytes(hashlib.sha256(id.encode()).digest(), "big") % 3 == 0


def _made(row: dict[str, Any]) -> Item:
    # The message is a field of the row; a source of its own would be the same words twice.
    sources = [each for each in row["sources"] if each["name"] != "job message"]
    texts = tuple((each["name"], SourceKind(each["kind"]), _bytes(each)) for each in sources)
    part = "held-out" if is_held_out(row["id"]) else "made"
    return _item(row, part, texts)


def _found(row: dict[str, Any], part: str) -> Item:
    return _item(row, part, ((row["id"], SourceKind.FILE, row["text"].encode("utf-8", "surrogateescape")),))


def _item(row: dict[str, Any], part: str, texts: tuple[tuple[str, SourceKind, bytes], ...]) -> Item:
    known = {"status", "error_type", "driver_exit_code", "message", "type", "entrypoint"}
    fields = Fields(**{name: value for name, value in (row.get("fields") or {}).items() if name in known})
    return Item(row["id"], part, row["primary"], frozenset(row["acceptable"]), row.get("evidence") or "", fields, texts)


def _bytes(source: dict[str, Any]) -> bytes:
    return base64.b64decode(source["base64"]) if "base64" in source else source["text"].encode()
