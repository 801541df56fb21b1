"""Cases that Schemathesis draws from the published schema: ``make fuzz``, and a fixed number of them in CI."""

from __future__ import annotations
