"""The signatures that are built in, one file for a family of codes; each file has a tuple ``SIGNATURES``."""

from __future__ import annotations
