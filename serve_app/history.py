"""``python -m serve_app.history export|import FILE``: the history of jobs as JSON lines, ``-`` for the terminal.

Works on the database of ``SEEDCORE_DATABASE_URL``, or on that in ``SEEDCORE_HOME`` (``.seedcore`` of the checkout for
what `make up` runs), whether or not the application runs, and says which one that is. An export makes no database.
Exit codes: 0 done, 1 a line is no job (it is named, the others are imported), 2 the database or the file cannot be
used.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from serve_app.env import Env, get_variable
from serve_app.errors import InvalidInput
from serve_app.hidden.private_file import SecretFileRefused
from serve_app.redaction import strip_controls
from serve_app.store.engine import find_database_url, find_sqlite_file, hide_url
from serve_app.store.errors import StoreUnavailable
from serve_app.store.jobs.lines import MAX_LINE_CHARS, PAGE
from serve_app.store.store import Store

TIMEOUT_S = 30.0
_MOST_TOLD = 20


def main(argv: Sequence[str] | None = None) -> int:
    """Export or import; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m serve_app.history", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in (("export", "write every job to FILE"), ("import", "read jobs from FILE; newer ones win")):
        commands.add_parser(name, help=what).add_argument("file", help="path, or - for the terminal")
    arguments = parser.parse_args(argv)
    try:
        env = Env.read()
        place = _describe_place(env, making=arguments.command == "import")
        print(f"database: {strip_controls(place)}", file=sys.stderr)
        url = find_database_url(env)
        work = _export if arguments.command == "export" else _import
        count = asyncio.run(work(url, arguments.file))
    except InvalidInput as error:
        print(f"error: {strip_controls(error.detail)}", file=sys.stderr)
        return 1
    except SecretFileRefused as error:
        print(f"error: {strip_controls(str(error))}", file=sys.stderr)
        return 1
    except (StoreUnavailable, OSError) as error:
        print(f"error: {strip_controls(getattr(error, 'detail', None) or str(error))}", file=sys.stderr)
        return 2
    print(f"{count} jobs {arguments.command}ed", file=sys.stderr)
    return 0


def _describe_place(env: Env, *, making: bool) -> str:
    """Which database this is; raises ``StoreUnavailable`` for a file that is not there, unless one may be made."""
    path = find_sqlite_file(env)
    if path is None:
        return hide_url(env.database_url or "")
    if path.exists():
        return str(path)
    if making:
        return f"{path} (a new one)"
    home = get_variable("home")
    raise StoreUnavailable(
        f"There is no database {path}. Say by {home} where the application keeps its own ({home}=.seedcore for "
        f"`make up`), or by {get_variable('database_url')}."
    )


async def _export(url: str, path: str) -> int:
    store = await Store.open(url, timeout_s=TIMEOUT_S)
    count, after = 0, ""
    try:
        with _open_file(path, "w") as out:
            while page := await store.export_jobs(after):
                out.writelines(json.dumps(line, separators=(",", ":")) + "\n" for line in page)
                count, after = count + len(page), page[-1]["key"]
    finally:
        await store.close()
    return count


async def _import(url: str, path: str) -> int:
    store = await Store.open(url, timeout_s=TIMEOUT_S)
    written, read, refused = 0, 0, 0
    try:
        with _open_file(path, "r") as source:
            while lines := _read_lines(source):
                numbered = [(read + number, line) for number, line in enumerate(lines, 1) if line.strip()]
                done, bad = await _import_page(store, numbered)
                written, refused, read = written + done, refused + len(bad), read + len(lines)
                for number, why in bad[: max(0, _MOST_TOLD - refused + len(bad))]:
                    print(strip_controls(f"{path}: near line {number}: {why}"), file=sys.stderr)
    finally:
        await store.close()
    if refused:
        raise InvalidInput(f"{path}: {refused} lines were left out. {written} were imported.")
    return written


async def _import_page(store: Store, lines: list[tuple[int, str]]) -> tuple[int, list[tuple[int, str]]]:
    """Import numbered lines; how many were written, and each that cannot be with the reason: the rest comes."""
    written = 0
    bad: list[tuple[int, str]] = []
    while lines:
        try:
            return written + await store.import_jobs([line for _, line in lines]), bad
        except InvalidInput as error:
            place = int(error.members.get("line", 1))
            bad.append((lines[place - 1][0], error.detail))
            # Those before it were read and are good; of them nothing is written yet.
            if place > 1:
                written += await store.import_jobs([line for _, line in lines[: place - 1]])
            lines = lines[place:]
    return written, bad


def _read_lines(source: IO[str]) -> list[str]:
    """The next lines; a line without end is cut, and then it is no job."""
    lines: list[str] = []
    while len(lines) < PAGE and (line := source.readline(MAX_LINE_CHARS + 2)):
        lines.append(line)
    return lines


def _open_file(path: str, mode: str) -> IO[str]:
    if path == "-":
        return open(sys.stdout.fileno() if mode == "w" else sys.stdin.fileno(), mode, encoding="utf-8", closefd=False)
    return Path(path).open(mode, encoding="utf-8", errors="strict" if mode == "w" else "replace")


if __name__ == "__main__":
    raise SystemExit(main())
