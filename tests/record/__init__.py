"""Record what real Ray clusters tell about jobs that end, wait or hang in every way we know.

``python -m tests.record`` records every scenario, ``python -m tests.record single-node`` one. Each starts Ray nodes of
its own on free ports, runs its cases, and writes the answers of the endpoints to
``tests/unit/recorded/ray-<version>/<scenario>/``. Names, addresses and paths of this machine are replaced. A case
carries its name in its job's metadata (``case``), so that tests do not depend on the order of job ids.
"""

from __future__ import annotations
