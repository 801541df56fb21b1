"""The made part of the corpus: real programs on a real Ray, what it told of them, and why each ended as it did."""

from __future__ import annotations
