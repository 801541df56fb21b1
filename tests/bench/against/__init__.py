"""This commit beside another one: ``python -m tests.bench against <commit>``, or ``make bench AGAINST=<commit>``.

Each side is measured in a checkout of its own by the same programs, in turn, and the other commit twice in each round:
what differs between it and itself is the noise of the row.
"""

from __future__ import annotations
