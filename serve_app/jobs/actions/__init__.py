"""The writer to Ray's jobs: submit, stop, retry, delete, and what is refused."""

from __future__ import annotations
