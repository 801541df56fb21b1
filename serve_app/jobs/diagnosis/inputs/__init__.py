"""What somebody hands over instead of a log: what it is (``kinds``), and the log that it was (``cleaning``)."""

from __future__ import annotations
