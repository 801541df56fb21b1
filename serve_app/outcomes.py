"""What can become of a job, whether that is right, and Ray's own words: each set of them that means something, once.

A type checker needs a ``Literal`` where a filter takes a word; a test holds that its words are those of the set.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Final, Literal, get_args

# Of a submission (ray/dashboard/modules/job/common.py, JobStatus).
StatusName = Literal["PENDING", "RUNNING", "SUCCEEDED", "FAILED", "STOPPED"]
STATUSES: Final[frozenset[str]] = frozenset(get_args(StatusName))
OPEN_STATUSES: Final = frozenset({"PENDING", "RUNNING"})
ENDED_STATUSES: Final = STATUSES - OPEN_STATUSES


class JobOutcome(StrEnum):
    """What became of a job, as far as it is proven. ``CONTRADICTED``: what is known of its end does not agree."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"
    CONTRADICTED = "contradicted"
    ENDED_UNKNOWN = "ended_unknown"
    LOST = "lost"


OutcomeName = Literal["pending", "running", "succeeded", "failed", "stopped", "contradicted", "ended_unknown", "lost"]


class Verdict(StrEnum):
    """Whether what became of a job is what was expected of it."""

    OK = "OK"
    WARN = "WARN"
    BAD = "BAD"
    UNKNOWN = "UNKNOWN"


VerdictName = Literal["OK", "WARN", "BAD", "UNKNOWN"]

OPEN_OUTCOMES: Final = frozenset({JobOutcome.PENDING, JobOutcome.RUNNING})
ENDED_OUTCOMES: Final = frozenset(JobOutcome) - OPEN_OUTCOMES
BROKEN_OUTCOMES: Final = frozenset({JobOutcome.FAILED, JobOutcome.LOST})
# Ends of which a circle before them is told as the cause: why a job failed its own tables and logs say.
CIRCLED_OUTCOMES: Final = frozenset({JobOutcome.STOPPED, JobOutcome.ENDED_UNKNOWN, JobOutcome.CONTRADICTED})
# Ends that came by themselves: a job that was stopped or lost says nothing of how long such a job takes.
TIMED_OUTCOMES: Final = frozenset({JobOutcome.SUCCEEDED, JobOutcome.ENDED_UNKNOWN})

# An end later than this after now is no end of any window: clocks of nodes differ, and files can say anything.
MOST_AHEAD: Final = timedelta(seconds=60)

# Kinds that nobody wanted done (``judging.kinds``): figures and rates leave them out, in memory and in the store.
NOT_COUNTED: Final = frozenset({"cluster-initialization", "worker-node", "observer", "internal"})
