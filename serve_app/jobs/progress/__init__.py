"""Does a job on its way move? Looks at it, and what two of them prove."""

from __future__ import annotations
