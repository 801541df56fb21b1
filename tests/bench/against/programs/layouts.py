"""Modules of the product under the names that they have had: the first that exists is taken."""

from __future__ import annotations

import importlib
from types import ModuleType

_NAMES = {
    "judge": ("serve_app.jobs.judging.judge", "serve_app.jobs.judge"),
    "models": ("serve_app.jobs.models",),
    "records": ("serve_app.jobs.history.records", "serve_app.jobs.history.recorder", "serve_app.jobs.records"),
    "store": ("serve_app.store.store",),
    "bench_rows": ("tests.bench.jobs.rows", "tests.bench.job_rows"),
    "bench_poll": ("tests.bench.jobs.poll", "tests.bench.job_poll"),
}


def load(name: str) -> ModuleType:
    """The module of this side; raises ``ModuleNotFoundError`` with all names when it has none of them."""
    for each in _NAMES[name]:
        try:
            return importlib.import_module(each)
        except ModuleNotFoundError as error:
            # What the module itself lacks is another fault.
            if error.name is None or not each.startswith(error.name):
                raise
    raise ModuleNotFoundError(f"this side has none of {', '.join(_NAMES[name])}")
