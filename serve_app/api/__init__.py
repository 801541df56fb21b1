"""HTTP: who may ask, what is asked, and how an answer or a problem looks. Knows no Ray."""

from __future__ import annotations
