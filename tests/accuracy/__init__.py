"""How often the diagnosis is right, measured over logs of known cause, beside two simple ways of looking at a log."""

from __future__ import annotations
