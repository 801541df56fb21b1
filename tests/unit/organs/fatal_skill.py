"""A user's module that ends its process while it is imported, as a native library that misses something does."""

from __future__ import annotations

import os
import sys

print("RuntimeError: it needs something that is not there", file=sys.stderr, flush=True)
os._exit(1)
