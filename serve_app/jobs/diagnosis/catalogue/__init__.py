"""The vocabulary of causes, and the signatures by which each shows itself in a log."""

from __future__ import annotations
