"""Why a job failed, from log files alone: ``python -m serve_app.diagnose LOG…``, and ``-`` for standard input.

Needs no cluster and no Ray. Each file is one job's log; a directory, an archive, or what follows ``--together`` is one
incident of several. What Ray's row said goes in with ``--field``. Exit code: 0 when a diagnosis was printed for each,
whatever it says; 2 when a file cannot be read or an option is wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import mmap
import re
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from serve_app.env import Env
from serve_app.jobs.diagnosis.catalogue.built_in import load_built_in
from serve_app.jobs.diagnosis.catalogue.catalogue import Catalogue
from serve_app.jobs.diagnosis.engine.diagnose import diagnose
from serve_app.jobs.diagnosis.engine.field_rules import parse_pairs
from serve_app.jobs.diagnosis.inputs.incidents import is_archive, list_files, read_archive
from serve_app.jobs.diagnosis.models import Diagnosis, Fields, SourceKind, TextSource
from serve_app.jobs.diagnosis.words.terminal import render_diagnosis
from serve_app.jobs.judging.run_marks import build_mark, find_run_begin, find_set_up
from serve_app.redaction import strip_controls
from serve_app.tokens.environment import hold_environment

STANDARD_INPUT = "-"
_PIECE_BYTES = 1_048_576
# YAML's reader takes a minute for thirty times as much.
_MOST_CHARS = 1_048_576
_DRIVER_LOG = re.compile(r"job-driver-(.+)\.log", re.DOTALL)
# What Ray writes of a run before it names its command.
_LINES_BEFORE_BYTES = 65_536


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a diagnosis of each file; the exit code."""
    parser = _build_parser()
    _speak_any_language()
    options = parser.parse_args(arguments)
    if not options.logs and not options.together:
        parser.error("name a log, or - for standard input")
    try:
        fields = parse_pairs(dict(_parse_pair(each) for each in options.field))
        catalogue = _load_catalogue(options.signatures)
    except (ValueError, OSError) as error:
        parser.error(strip_controls(str(error)))
    # Whoever calls may have tokens in the environment; that one of them cannot be used is no matter here.
    with contextlib.suppress(ValueError):
        hold_environment(Env.read())
    unread = 0
    asked = [(name, [name]) for name in options.logs]
    asked += [(" and ".join(options.together[:3]), options.together)] if options.together else []
    for place, (name, parts) in enumerate(asked):
        try:
            diagnosis = _diagnose_parts(parts, fields, catalogue)
        except (OSError, ValueError, zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error) as error:
            reason = getattr(error, "strerror", None) or str(error)
            print(f"error: {strip_controls(name)}: {strip_controls(reason)}", file=sys.stderr)
            unread += 1
            continue
        _print(diagnosis, name, as_json=options.json, is_first=place == 0)
    return 2 if unread else 0


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m serve_app.diagnose", description="Why a Ray job failed, from its log. Needs no cluster."
    )
    parser.add_argument(
        "logs", nargs="*", metavar="LOG", help="a file, a directory or an archive, or - for standard input"
    )
    parser.add_argument("--together", nargs="+", default=[], metavar="LOG", help="these are logs of one incident")
    parser.add_argument("--json", action="store_true", help="one JSON object a line for each file")
    parser.add_argument(
        "--field",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="what Ray's row says: status, error_type, driver_exit_code, message, type, entrypoint; may be repeated",
    )
    parser.add_argument("--signatures", metavar="FILE", help="own signatures, a YAML list as in user_config")
    return parser


def _speak_any_language() -> None:
    """Words of logs must not end in an error because this terminal cannot show them."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _parse_pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise ValueError(f"--field is NAME=VALUE, not {text[:80]!r}")
    return name.strip(), value


def _load_catalogue(own: str | None) -> Catalogue:
    if own is None:
        return load_built_in()
    # Only who has signatures of their own pays for YAML and validation.
    from serve_app.jobs.diagnosis.catalogue.team import build_catalogue, parse_signatures

    with Path(own).open(encoding="utf-8") as file:
        text = file.read(_MOST_CHARS + 1)
    try:
        if len(text) > _MOST_CHARS:
            raise ValueError(f"more than {_MOST_CHARS} characters, which is no list that people write")
        return build_catalogue(parse_signatures(text))
    except ValueError as error:
        raise ValueError(f"{own}: {error}") from error


def _diagnose_parts(parts: Sequence[str], fields: Fields, catalogue: Catalogue) -> Diagnosis:
    """One diagnosis of one file, or of all the logs of an incident; raises ``OSError`` and what an archive raises."""
    if len(parts) == 1 and not Path(parts[0]).is_dir() and not is_archive(parts[0]):
        return _diagnose_file(parts[0], fields, catalogue)
    sources = [source for part in parts for source in _list_sources(part)]
    if not sources:
        raise ValueError("there is no log in it")
    return diagnose(fields, sources, catalogue)


def _list_sources(name: str) -> list[TextSource]:
    if name == STANDARD_INPUT:
        return [TextSource(_render_name(name), SourceKind.FILE, _read_pieces(sys.stdin.buffer))]
    if is_archive(name):
        return [
            TextSource(strip_controls(f"{name}:{each}"), SourceKind.FILE, data) for each, data in read_archive(name)
        ]
    return [
        TextSource(_render_name(str(path)), SourceKind.FILE, partial(_read_file, path)) for path in list_files(name)
    ]


def _read_file(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from _read_pieces(file)


def _diagnose_file(name: str, fields: Fields, catalogue: Catalogue) -> Diagnosis:
    if name == STANDARD_INPUT:
        return diagnose(
            fields, [TextSource(_render_name(name), SourceKind.FILE, _read_pieces(sys.stdin.buffer))], catalogue
        )
    with Path(name).open("rb") as file:
        begin = _find_last_run(file, name)
        if begin:
            file.seek(begin)
        shown = f"{_render_name(name)} from byte {begin}" if begin else _render_name(name)
        return diagnose(fields, [TextSource(shown, SourceKind.FILE, _read_pieces(file))], catalogue)


def _find_last_run(file: BinaryIO, name: str) -> int:
    """Where the last run begins in a log that Ray named by its job: it appends a run to those before with the id."""
    named = _DRIVER_LOG.fullmatch(Path(name).name)
    if named is None or not Path(name).is_file() or Path(name).stat().st_size == 0:
        return 0
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if (set_up := find_set_up(data)) is not None:
            return set_up
        mark = data.rfind(b"\n" + build_mark(named[1]))
        low = max(0, mark - _LINES_BEFORE_BYTES)
        return 0 if mark < 0 else low + (find_run_begin(data[low : mark + _LINES_BEFORE_BYTES], named[1]) or 0)


def _read_pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(_PIECE_BYTES):
        yield piece


def _print(diagnosis: Diagnosis, name: str, *, as_json: bool, is_first: bool) -> None:
    if as_json:
        row: dict[str, Any] = {"source": _render_name(name), **diagnosis.render_json()}
        print(json.dumps(row))
        return
    print(("" if is_first else "\n") + render_diagnosis(diagnosis, _render_name(name)))


def _render_name(name: str) -> str:
    return strip_controls(name)


if __name__ == "__main__":
    sys.exit(main())
