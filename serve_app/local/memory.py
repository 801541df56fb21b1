"""How much memory can still be had, counting the limit of a container."""

from __future__ import annotations

from pathlib import Path

import psutil

# Measured: a head with the shipped configuration is 30 processes that take 1.7 GiB together (proportional set size),
# two thirds of it Ray's and Serve's own. The rest is for the first jobs.
NEEDED_BYTES = int(2.5 * 2**30)
_CGROUP = Path("/sys/fs/cgroup")


def measure_available_bytes(cgroup: Path = _CGROUP) -> int:
    """Free memory of the machine, or what its cgroup (v2) still allows, whichever is less."""
    machine: int = psutil.virtual_memory().available
    try:
        limit = int((cgroup / "memory.max").read_text())
        used = int((cgroup / "memory.current").read_text())
    except (OSError, ValueError):
        return machine
    return min(machine, max(0, limit - used))
