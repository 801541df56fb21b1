"""Ray's answers, read into one ``Snapshot``, and kept fresh."""

from __future__ import annotations
