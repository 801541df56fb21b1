"""``api``: what the product's own API answers about jobs that end, wait, hang and fail, about alerts, nodes and organs.

The product is started by its own ``up``, beside a server that stands in for a language model and one alert's receiver.
Every answer is kept as it came, with its request and its media type; a test holds them to the published schema, and
asks that each field of the schema was filled by one of them.
"""

from __future__ import annotations

from tests.record.api.run import record

__all__ = ["record"]
