"""How a submission ended, read from what was once said of it: the only place that reads our own sentences.

As they were when nothing but sentences was kept: revision 0007 reads those of a database, an import those of lines that
were exported before it. It must not change when what is said today does.
"""

from __future__ import annotations

import json
import re
from typing import TypeAlias

# Error type and exit code.
Ending: TypeAlias = tuple[str | None, int | None]
NOTHING: Ending = (None, None)
# What the rules of a submission's end wrote as their fact of the job list, whole.
_RULES = frozenset(
    {
        "exit-code-0",
        "exit-code-missing",
        "exit-code-contradicts",
        "submission-failed",
        "supervisor-lost-unproven",
        "supervisor-lost-driver-alive",
    }
)
_FACT = re.compile(
    r"status (?:SUCCEEDED|FAILED, (?:no error type|(?P<error_type>[A-Z][A-Z0-9_]{2,80}))),"
    r" (?:no exit code|exit code (?P<exit_code>-?\d{1,18}))"
)


def read_ending(content: str) -> Ending:
    """Error type and exit code that the evidence of a stored job tells; None for each that it does not."""
    try:
        evidence = json.loads(content).get("evidence")
    except (ValueError, AttributeError, RecursionError):
        return NOTHING
    for each in evidence if isinstance(evidence, list) else ():
        if not isinstance(each, dict) or str(each.get("rule")) not in _RULES or each.get("source") != "job list":
            continue
        if (found := _FACT.fullmatch(str(each.get("fact")))) is not None:
            code = found["exit_code"]
            return found["error_type"], None if code is None else int(code)
    return NOTHING
