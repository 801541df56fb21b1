"""One `make up`, `make down` or deployment at a time in a home."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serve_app.deploy.failure import Failure


@contextmanager
def lock_home(home: Path) -> Iterator[None]:
    """Hold the lock of this home; raises ``Failure`` when another run has it."""
    path = home / "up.lock"
    path.touch(mode=0o600)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Failure(
                f"Another `make up`, `make down` or deployment works in {home}.", "Wait until it is done."
            ) from None
        yield
