"""One `make up` or `make down` at a time in a home, and clearing away what a head of ours leaves."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serve_app.local import processes
from serve_app.local.failure import Failure
from serve_app.local.ray_head import find_own_dir
from serve_app.local.state import UpState


def clear_away(found: UpState) -> int:
    """End what is left of a head of ours and remove its directory; returns how many processes were ended."""
    if found.temp_dir is None:
        return 0
    ended, survivors = processes.end_head(found.temp_dir, found.processes)
    if survivors:
        pids = ", ".join(str(process.pid) for process in survivors)
        raise Failure(
            f"These processes of the Ray head do not end: {pids}.", "End them by hand, then run `make down` again."
        )
    shutil.rmtree(find_own_dir(Path(found.temp_dir)), ignore_errors=True)
    return ended


@contextmanager
def lock_home(home: Path) -> Iterator[None]:
    """Hold the lock of this home; raises ``Failure`` when another run has it."""
    path = home / "up.lock"
    path.touch(mode=0o600)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Failure(f"Another `make up` or `make down` works in {home}.", "Wait until it is done.") from None
        yield
