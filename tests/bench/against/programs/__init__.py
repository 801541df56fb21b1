"""Programs that measure one side: run by their path inside its checkout, they import the product that lies there.

They print one JSON object of figures by the name of the row. They know nothing of ``tests.bench`` but what their own
side has of it, since the other commit has no more; where a module has moved, both of its names are tried.
"""

from __future__ import annotations
