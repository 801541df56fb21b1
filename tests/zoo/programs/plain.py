"""Programs that never join Ray. ``python plain.py <name> … zoo=<job>``."""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from pathlib import Path


def tell_secrets() -> None:
    """Repeat what the environment was given."""
    print("level", os.environ.get("LEVEL", ""), flush=True)
    raise RuntimeError(f"no login with {os.environ['X_U']!r} via {os.environ['X_C']}")


def be_noisy(ends: str) -> None:
    """Words of trouble that are none; ``ends``: well, or by a missing module."""
    for number in range(40):
        try:
            raise ValueError(f"row {number} has no key")
        except ValueError:
            traceback.print_exc()
        print("RuntimeError: CUDA error: out of memory (caught, batch halved)", "Killed", "OutOfMemory", flush=True)
    if ends == "well":
        print("finished: 40 of 40", flush=True)
        return
    __import__("fastshard")


def write_long_lines() -> None:
    """Long structured lines, and a short one that says it."""
    for number in range(12):
        print(json.dumps({"step": number, "message": "y" * 600}))
    print("FATAL: the licence server said no")
    sys.exit(4)


def attempt(good_from: str, mark: str) -> None:
    """One attempt of a loop in a shell; good from the given one on (0: never)."""
    with Path(mark).open("ab") as counter:
        counter.write(b".")
        number = counter.tell()
    if int(good_from) and number >= int(good_from):
        print("attempt", number, "succeeded")
        return
    raise ConnectionRefusedError(f"the feature store does not answer (attempt {number})")


def echo(word: str, seconds: str = "0") -> None:
    """Say a word after a while."""
    time.sleep(float(seconds))
    print(word)


NAMES = {"secrets": tell_secrets, "noisy": be_noisy, "long": write_long_lines, "attempt": attempt, "echo": echo}

if __name__ == "__main__":
    NAMES[sys.argv[1]](*sys.argv[2:-1])
