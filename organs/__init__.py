"""Organs: what runs behind Serve handles. This package imports nothing from ``serve_app``."""

from __future__ import annotations

import logging

# Our lines are few and worth having; Serve's own line for each call is neither. So the application's log level is
# WARNING (`serve_config.yaml`), and this child of Serve's logger, which writes through its handlers, keeps INFO.
logging.getLogger("ray.serve.seedcore").setLevel(logging.INFO)
