"""``python -m serve_app.check [--stamp] FILE…``: is a configuration acceptable?

Exit code 0 when every file is, 1 when one is not, 2 when called wrongly. With ``--stamp`` and one file, the file is
printed as it should be deployed: with the version of this code, so that Serve replaces every replica of another.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import yaml

from organs.version import read_own_version
from serve_app.check.configuration import check_config, list_notes, list_restarts, read_config
from serve_app.check.stamp import stamp

USAGE = "usage: python -m serve_app.check FILE… | --stamp FILE"
STAMP = "--stamp"
_STACKS = "RAY_DASHBOARD_ENABLE_PROFILING"
NOTE = (
    f"note: where a running job stands (GET /jobs/{{id}}/stacks) shows only when {_STACKS}=1 is set where the head "
    "starts; `make up` sets it, and whoever reaches the dashboard may look into processes then"
)


def main(arguments: Sequence[str]) -> int:
    """Check files and print what is wrong with them."""
    stamping = arguments[:1] == [STAMP]
    names = arguments[1:] if stamping else arguments
    if not names or (stamping and len(names) > 1) or any(name.startswith("-") for name in names):
        print(USAGE, file=sys.stderr)
        return 2
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a configuration may hold what this terminal cannot show
    bad = False
    for name in names:
        try:
            text = read_config(Path(name))
        except (OSError, UnicodeDecodeError) as error:
            print(f"{name}: cannot be read: {error}", file=sys.stderr)
            return 2
        problems = check_config(text, name, os.environ, will_be_stamped=stamping)
        bad = bad or bool(problems)
        for problem in problems:
            print(problem.render(), file=sys.stderr if stamping else sys.stdout)
        if not problems:
            print(_stamp_text(text) if stamping else f"{name}: fine")
            restarts = [] if stamping else list_restarts(text, name)
            for note in [*list_notes(text, name, datetime.now(UTC)), *restarts]:
                print(note, file=sys.stderr if stamping else sys.stdout)
    if not bad and not stamping and os.environ.get(_STACKS) != "1":
        print(NOTE)
    return 1 if bad else 0


def _stamp_text(text: str) -> str:
    stamped = stamp(yaml.safe_load(text), read_own_version())
    return yaml.safe_dump(stamped, sort_keys=False, allow_unicode=True).rstrip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
