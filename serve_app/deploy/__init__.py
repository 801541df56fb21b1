"""``python -m serve_app.deploy CONFIG``: into a Ray cluster that exists, beside what others have deployed there.

`make up` deploys by the same pieces: what is sent (``merging``), how, and what comes of it (``handover``, ``rollout``).
"""

from __future__ import annotations
