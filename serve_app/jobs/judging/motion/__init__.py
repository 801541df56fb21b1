"""A running job that goes in circles or stands still: what to think of that, and in which words. Pure."""

from __future__ import annotations
