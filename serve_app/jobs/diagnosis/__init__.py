"""Why a job failed: ``evidence`` is gathered from Ray, the ``engine`` weighs what the ``catalogue`` finds in it, and
``words`` tells the result. ``service`` and ``automatic`` run this, for whoever asks and for every job that fails.
"""

from __future__ import annotations
