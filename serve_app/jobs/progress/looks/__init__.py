"""What a round sees: asked (``sweep``, ``head``, ``suspects``), divided among jobs (``tables``, ``subjects``), kept
(``trail``, ``keeping``), and read as who waits for whom (``waits``).
"""

from __future__ import annotations
