"""What Ray tells and keeps of a job that ended: logs, tables, events."""

from __future__ import annotations
