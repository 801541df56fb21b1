"""A driver whose command line is that of a notebook's kernel; see ``serves.be_kernel``."""

from __future__ import annotations

import ray
from serves import be_kernel

if __name__ == "__main__":
    ray.init()
    be_kernel()
