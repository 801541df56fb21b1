"""What every Ray node that the tests and benchmarks start inherits, and `ray start` itself for plain nodes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from serve_app.local.processes import MARKER
from serve_app.local.ray_head import BIN, NO_TOKEN

START_TIMEOUT_S = 120.0


def clean_environment() -> dict[str, str]:
    """This process's environment without anything that speaks of a Ray or a copy of the application."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("SEEDCORE_", "RAY_"))}


def apart_environment(directory: Path) -> dict[str, str]:
    """For programs that keep their files in ``directory``: they are not led to a Ray that happens to run here."""
    clean = clean_environment()
    return {**clean, "PATH": f"{BIN}:{clean['PATH']}", "RAY_USAGE_STATS_ENABLED": "0", MARKER: str(directory)}


def node_environment(directory: Path) -> dict[str, str]:
    """The same for plain nodes and their drivers; a token in the home is not looked for."""
    return {**apart_environment(directory), **NO_TOKEN}


def start_node(arguments: Sequence[str], environ: Mapping[str, str], log: Path) -> None:
    """Run `ray start` to its end; raises ``CalledProcessError``, and what it printed is in ``log``."""
    with log.open("w") as output:
        subprocess.run(
            [str(BIN / "ray"), "start", *arguments, "--object-store-memory=100000000"],
            env=dict(environ), check=True, timeout=START_TIMEOUT_S, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
