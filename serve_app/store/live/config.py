"""``user_config`` of the ``Store`` deployment."""

from __future__ import annotations

from serve_app.strict import StrictModel


class StoreConfig(StrictModel):
    """``user_config`` of the ``Store`` deployment: it has no settings yet, and refuses whatever it is given."""
