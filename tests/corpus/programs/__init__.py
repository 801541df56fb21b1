"""The programs, one file for a group of them; each file has a tuple ``PROGRAMS``."""

from __future__ import annotations
