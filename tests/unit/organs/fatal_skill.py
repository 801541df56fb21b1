"""A user's module that ends its process while it is imported, as a native library that misses something does."""

from __future__ import annotations

import os

os._exit(1)
