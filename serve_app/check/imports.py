"""Can what an ``import_path`` names be imported here? Tried in a process of its own: it runs code of others."""

from __future__ import annotations

import contextlib
import os
import pkgutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence

from serve_app.redaction import redact

LIMIT_S = 30.0
_SHOWN_CHARS = 300
_READ_BYTES = 65_536


def find_import_failure(import_path: str) -> str | None:
    """Why ``module:name`` (or ``module.name``) cannot be imported, in one line; None when it can.

    Takes at most ``LIMIT_S`` seconds. What it prints is thrown away, and what it started ends with it, but for what
    left its session: that is not waited for, either, since a file and no pipe takes what it says.
    """
    command = [sys.executable, "-m", "serve_app.check.imports", import_path]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(  # noqa: S603  # our own program
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said, start_new_session=True
        )
        try:
            code = process.wait(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            return f"its import takes longer than {LIMIT_S:g} s"
        finally:
            with contextlib.suppress(ProcessLookupError):  # nothing is left of it
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if code == 0:
            return None
        said.seek(max(0, said.seek(0, os.SEEK_END) - _READ_BYTES))
        lines = redact(said.read().decode(errors="replace")).strip().splitlines()
    return lines[-1].strip()[:_SHOWN_CHARS] if lines else f"its import ended with exit code {code}"


def main(arguments: Sequence[str]) -> int:
    """Import it; how that fails is the last line of standard error."""
    pkgutil.resolve_name(arguments[0])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
