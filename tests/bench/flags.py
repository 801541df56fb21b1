"""The flag study: what each Serve flag is worth, one change at a time, on the bare Serve application.

    python -m tests.bench flags [--only name,name] [--rounds 3]

Every variant runs on a head of its own beside the base on another, and the two are loaded in turn, sample by sample:
only such pairs can be compared on a machine whose speed changes from minute to minute.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from tests.bench import system_load as measure
from tests.bench import systems
from tests.bench.head import BenchError, alone
from tests.bench.system_load import Sample
from tests.bench.systems import Running

LOG = {"encoding": "JSON", "enable_access_log": False}
QUIET = {**LOG, "log_level": "WARNING"}
NO_OP_TRACING = {"enabled": True, "exporter_import_path": "serve_app.telemetry.tracing:span_processors"}
SPANS = {"enabled": True, "exporter_import_path": "tests.bench.bare:no_processors"}
BASE_FLAGS = {"RAY_SERVE_THROUGHPUT_OPTIMIZED": "1", "RAY_SERVE_ENABLE_HA_PROXY": "1"}
BASE_CHANGES: dict[str, Any] = {"logging_config": QUIET, "tracing_config": None}


@dataclass(frozen=True)
class Variant:
    """One change from the base: flags added (taken away with ``None``), config keys, arguments of the application."""

    name: str
    flags: dict[str, str | None] = field(default_factory=dict)
    changes: dict[str, Any] = field(default_factory=dict)
    args: dict[str, Any] = field(default_factory=dict)

    def all_flags(self) -> dict[str, str]:
        merged = {**BASE_FLAGS, **self.flags}
        return {name: value for name, value in merged.items() if value is not None}


def _flag(name: str, value: str) -> Variant:
    return Variant(f"{name.removeprefix('RAY_SERVE_')}={value}", {name: value})


OFF: dict[str, str | None] = dict.fromkeys(BASE_FLAGS)
VARIANTS = (
    Variant("base again: the noise"),
    Variant(
        "tracing as in serve_config.yaml, no endpoint", {}, {"tracing_config": {**NO_OP_TRACING, "sampling_ratio": 1.0}}
    ),
    Variant("tracing, every span made, none exported", {}, {"tracing_config": {**SPANS, "sampling_ratio": 1.0}}),
    Variant("tracing, 1 % of spans made, none exported", {}, {"tracing_config": {**SPANS, "sampling_ratio": 0.01}}),
    Variant("log level INFO, access log off", {}, {"logging_config": LOG}),
    Variant("log level INFO, access log on", {}, {"logging_config": {"encoding": "JSON"}}),
    Variant("no flag, access log on", OFF, {"logging_config": {"encoding": "JSON"}}),
    Variant("no flag", OFF),
    Variant("HAProxy alone", {"RAY_SERVE_THROUGHPUT_OPTIMIZED": None}),
    Variant(
        "throughput flags, Python proxy", {"RAY_SERVE_ENABLE_HA_PROXY": None, "RAY_SERVE_ENABLE_DIRECT_INGRESS": "0"}
    ),
    _flag("RAY_SERVE_USE_GRPC_BY_DEFAULT", "0"),
    _flag("RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP", "1"),
    _flag("RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD", "1"),
    _flag("RAY_SERVE_REQUEST_PATH_LOG_BUFFER_SIZE", "1"),
    _flag("RAY_SERVE_FREEZE_GC_ON_STARTUP", "0"),
    _flag("RAY_SERVE_HAPROXY_METRICS_ENABLED", "0"),
    _flag("RAY_SERVE_HAPROXY_NBTHREAD", "1"),
    _flag("RAY_SERVE_HAPROXY_TCP_NODELAY", "0"),
    _flag("RAY_SERVE_METRICS_EXPORT_INTERVAL_MS", "1000"),
    _flag("RAY_SERVE_QUEUE_LENGTH_CACHE_TIMEOUT_S", "0"),
    _flag("RAY_SERVE_COLLECT_AUTOSCALING_METRICS_ON_HANDLE", "0"),
    Variant("organ max_ongoing_requests=5", {}, {}, {"organ": {"max_ongoing_requests": 5}}),
    Variant("organ max_ongoing_requests=1000", {}, {}, {"organ": {"max_ongoing_requests": 1000}}),
    Variant("two ingress replicas", {}, {}, {"ingress": {"num_replicas": 2}}),
    Variant("plain Starlette route in the ingress", {}, {}, {"route": "starlette"}),
    Variant("bare ASGI function as the ingress", {}, {}, {"route": "asgi"}),
    Variant("pydantic body model", {}, {}, {"route": "pydantic"}),
    Variant("FastAPI telemetry off", {}, {}, {"telemetry": False}),
    Variant("GC threshold 50 000 in both", {}, {}, {"gc_threshold": 50_000}),
    Variant("handle looked up at each request", {}, {}, {"lookup": True}),
)


PAUSE_S = 3.0
CHUNK = 2
"""Variants measured beside one start of the base; then the lock is released, because others wait for it."""


@dataclass(frozen=True)
class Row:
    """A variant beside the base: medians of ratios of samples taken one right after the other."""

    name: str
    at_32: Sample
    at_1: Sample
    throughput_ratio: float
    cpu_ratio: float
    p50_ratio: float
    seconds_to_answer: float

    def line(self) -> str:
        many, one = self.at_32, self.at_1
        return (
            f"{self.name:50} {self.throughput_ratio:5.2f}x ({many.result.requests_per_s:5.0f}/s)  "
            f"CPU/request {self.cpu_ratio:5.2f}x ({many.cpu_ms:4.2f} ms)  "
            f"p50 at 1 {self.p50_ratio:5.2f}x ({one.result.p50_ms:5.2f} ms)  p99 at 32 {many.result.p99_ms:5.0f} ms"
        )


def study(only: set[str], rounds: int, seconds: float, say: Callable[[str], None]) -> list[Row]:
    """Measure the variants whose name holds one of ``only`` (all, when empty), and say a row for each."""
    chosen = [each for each in VARIANTS if not only or any(word in each.name for word in only)]
    rows: list[Row] = []
    for start in range(0, len(chosen), CHUNK):
        time.sleep(PAUSE_S)
        with alone(), _running(Variant("base")) as base:
            for variant in chosen[start : start + CHUNK]:
                try:
                    with _running(variant) as other:
                        rows.append(_beside(variant.name, base, other, rounds, seconds))
                except BenchError as error:
                    say(f"{variant.name:50} {error}")
                    continue
                say(rows[-1].line())
    return rows


def _running(variant: Variant) -> AbstractContextManager[Running]:
    changes = {**BASE_CHANGES, **variant.changes}
    return systems.bare_serve(variant.all_flags(), args=variant.args, changes=changes)


def _beside(name: str, base: Running, other: Running, rounds: int, seconds: float) -> Row:
    for each in (base, other):
        measure.fire(each.shot, 32, 1.5, 0.0)
    pairs = {
        connections: [
            (
                measure.sample(base, connections, seconds, 0.3, (other,)),
                measure.sample(other, connections, seconds, 0.3, (base,)),
            )
            for _ in range(rounds)
        ]
        for connections in (32, 1)
    }
    return Row(
        name,
        measure.median([after for _, after in pairs[32]]),
        measure.median([after for _, after in pairs[1]]),
        _ratio(pairs[32], lambda each: each.result.requests_per_s),
        _ratio(pairs[32], lambda each: each.cpu_ms),
        _ratio(pairs[1], lambda each: each.result.p50_ms),
        other.seconds_to_answer,
    )


def _ratio(pairs: list[tuple[Sample, Sample]], figure: Callable[[Sample], float]) -> float:
    return round(statistics.median(figure(after) / figure(before) for before, after in pairs), 3)
