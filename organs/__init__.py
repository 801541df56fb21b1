"""Organs: what runs behind Serve handles. This package imports nothing from ``serve_app``."""

from __future__ import annotations
