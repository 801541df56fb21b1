"""Questions to Ray's state API, and what it says of its own answers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serve_app.cluster.rows import DETAIL_CHARS
from serve_app.redaction import redact

# Ray refuses a longer list (ray/util/state/common.py, RAY_MAX_LIMIT_FROM_API_SERVER).
MAX_ROWS = 10_000


def build_filters(**equals: str) -> dict[str, str | list[str]]:
    """Server-side filters, all of which must hold."""
    if not equals:
        return {}
    names, values = list(equals), list(equals.values())
    return {"filter_keys": names, "filter_predicates": ["="] * len(names), "filter_values": values}


def describe_left_out(answer: Mapping[str, Any]) -> str | None:
    """A sentence on what Ray left out of a list, or None.

    ``total`` counts before, ``num_after_truncation`` after Ray's limit at the source (ray/util/state/common.py).
    """
    total, kept, matching = (answer.get(key) for key in ("total", "num_after_truncation", "num_filtered"))
    if isinstance(total, int) and isinstance(kept, int) and total > kept:
        return f"Ray lists {kept} of {total} rows."
    if isinstance(matching, int) and matching > MAX_ROWS:
        return f"Ray lists {MAX_ROWS} of {matching} rows."
    warning = answer.get("partial_failure_warning")
    return redact(str(warning))[:DETAIL_CHARS] if warning else None
