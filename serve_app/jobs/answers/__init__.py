"""What a GET about jobs and the cluster answers."""

from __future__ import annotations
