"""What a line of a log is, and what a traceback. Pure."""

from __future__ import annotations
