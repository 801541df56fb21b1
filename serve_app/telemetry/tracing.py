"""The exporter that Serve's ``tracing_config`` names: spans go to an OTLP collector, or nowhere.

Serve makes the spans of requests and handle calls and carries their context between replicas; organs add one span for
each skill. Without ``SEEDCORE_OTLP_ENDPOINT`` there is no processor, so nothing is kept, sent or written to disk
(Serve's own default exporter writes a file without bound: ray/serve/_private/tracing_utils.py).
"""

from __future__ import annotations

import os

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from serve_app.env import get_variable

EXPORT_TIMEOUT_S = 5


def span_processors() -> list[SpanProcessor]:
    """Called by Serve once in every replica and proxy, just before it makes the tracer provider.

    Without an endpoint OpenTelemetry's own switch is set, so that the provider hands out tracers that do nothing:
    spans without a processor would still be made, which costs a fifth of the throughput (``make bench``).
    """
    endpoint = os.environ.get(get_variable("otlp_endpoint")) or None
    if endpoint is None:
        os.environ.setdefault("OTEL_SDK_DISABLED", "true")
        return []
    return [BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, timeout=EXPORT_TIMEOUT_S))]
