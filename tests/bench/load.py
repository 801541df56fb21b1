"""The load generator: one process, N keep-alive connections, closed loop, every answer checked.

Sockets and a selector instead of an HTTP library, because generator and servers share the same cores: what the
generator burns, the server lacks. ``raw.py`` shows how far it can go. It refuses to load anything but loopback.

    python -m tests.bench.load --port 8000 --path /x --body '{}' --expect success=true --connections 32 --seconds 5
"""

from __future__ import annotations

import argparse
import json
import selectors
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

HOST = "127.0.0.1"
MAX_SECONDS = 120.0
MAX_CONNECTIONS = 1024
ANSWER_TIMEOUT_S = 30.0
_HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True)
class Shot:
    """The request that is sent over and over, and what its answer must hold: ``expect`` maps dotted keys to values."""

    port: int
    method: str
    path: str
    body: bytes
    expect: dict[str, Any]

    def wire(self) -> bytes:
        """The request as bytes."""
        head = (
            f"{self.method} {self.path} HTTP/1.1\r\nHost: {HOST}:{self.port}\r\nAccept: application/json\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(self.body)}\r\n\r\n"
        )
        return head.encode() + self.body


@dataclass(frozen=True)
class Result:
    """One measurement. Latencies in milliseconds; ``errors`` counts by kind and makes the measurement invalid."""

    connections: int
    seconds: float
    requests: int
    requests_per_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    reconnects: int
    errors: dict[str, int] = field(default_factory=dict)

    @property
    def valid(self) -> bool:
        return self.requests > 0 and not self.errors


def fire(shot: Shot, connections: int, seconds: float, warm_up_s: float) -> Result:
    """Load ``shot.port`` on loopback from ``connections`` connections for ``seconds`` after ``warm_up_s``."""
    if not 0 < seconds <= MAX_SECONDS or not 0 <= warm_up_s <= MAX_SECONDS:
        raise ValueError(f"seconds must be within 0 and {MAX_SECONDS:g}")
    if not 1 <= connections <= MAX_CONNECTIONS:
        raise ValueError(f"connections must be within 1 and {MAX_CONNECTIONS}")
    with _Gun(shot, connections) as gun:
        gun.run(warm_up_s)
        warm_errors = gun.errors
        gun.reset()
        taken_s = gun.run(seconds)
        return _summary(gun, connections, taken_s, warm_errors)


def percentile(ordered: list[float], fraction: float) -> float:
    """Nearest-rank percentile of a sorted list; 0 for an empty one."""
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) - 1, max(0, round(fraction * len(ordered) + 0.5) - 1))]


@dataclass
class _Connection:
    sock: socket.socket
    sent_at: float = 0.0
    buffer: bytes = b""
    need: int = -1
    """Bytes of the whole answer, once its head has been read."""
    head_end: int = 0
    status: int = 0
    closing: bool = False


class _Gun:
    def __init__(self, shot: Shot, connections: int) -> None:
        self._shot = shot
        self._wire = shot.wire()
        self._selector = selectors.DefaultSelector()
        self._connections = connections
        self.reset()

    def reset(self) -> None:
        self.latencies: list[float] = []
        self.errors: Counter[str] = Counter()
        self.reconnects = 0

    def __enter__(self) -> _Gun:
        for _ in range(self._connections):
            self._open()
        return self

    def __exit__(self, *_: object) -> None:
        for key in list(self._selector.get_map().values()):
            key.data.sock.close()
        self._selector.close()

    def run(self, seconds: float) -> float:
        """Fire for ``seconds``, leave what is under way to the next run, and return the time taken."""
        began = time.perf_counter()
        deadline = began + seconds
        now = began
        checked = began
        while now < deadline:
            for key, _ in self._selector.select(timeout=min(0.5, deadline - now)):
                self._readable(key.data)
            now = time.perf_counter()
            if now - checked > 1.0:
                checked = now
                self._drop_silent(now)
        return time.perf_counter() - began

    def _open(self) -> None:
        sock = socket.create_connection((HOST, self._shot.port), timeout=5)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        connection = _Connection(sock)
        self._selector.register(sock, selectors.EVENT_READ, connection)
        self._send(connection)

    def _reopen(self, connection: _Connection) -> None:
        self._selector.unregister(connection.sock)
        connection.sock.close()
        self.reconnects += 1
        self._open()

    def _send(self, connection: _Connection) -> None:
        connection.buffer, connection.need = b"", -1
        connection.sent_at = time.perf_counter()
        # A request of some hundred bytes into the empty buffer of an idle connection is always taken whole.
        connection.sock.sendall(self._wire)

    def _readable(self, connection: _Connection) -> None:
        try:
            chunk = connection.sock.recv(65536)
        except BlockingIOError:
            return None
        except OSError as error:
            self.errors[type(error).__name__] += 1
            return self._reopen(connection)
        if not chunk:
            self.errors["closed before the answer"] += 1
            return self._reopen(connection)
        connection.buffer = connection.buffer + chunk if connection.buffer else chunk
        if connection.need < 0:
            self._read_head(connection)
        if 0 <= connection.need <= len(connection.buffer):
            self._answered(connection)
        return None

    def _read_head(self, connection: _Connection) -> None:
        end = connection.buffer.find(_HEAD_END)
        if end < 0:
            return
        head = connection.buffer[:end].lower()
        connection.head_end = end + 4
        connection.status = int(head[9:12])
        connection.closing = b"connection: close" in head
        at = head.find(b"content-length:")
        if at < 0:
            self.errors["no content-length"] += 1
            self._reopen(connection)
            return
        stop = head.find(b"\r\n", at)
        connection.need = connection.head_end + int(head[at + 15 : stop if stop >= 0 else len(head)])

    def _answered(self, connection: _Connection) -> None:
        latency = time.perf_counter() - connection.sent_at
        wrong = self._wrong(connection.status, connection.buffer[connection.head_end : connection.need])
        if wrong:
            self.errors[wrong] += 1
        else:
            self.latencies.append(latency)
        if connection.closing:
            self._reopen(connection)
        else:
            self._send(connection)

    def _wrong(self, status: int, body: bytes) -> str | None:
        if status != 200:
            return f"status {status}: {body[:120].decode(errors='replace')}"
        try:
            answer = json.loads(body)
        except ValueError:
            return "not JSON"
        for path, wanted in self._shot.expect.items():
            value = answer
            for key in path.split("."):
                value = value.get(key) if isinstance(value, dict) else None
            if value != wanted:
                return f"{path} is {value!r}, expected {wanted!r}"
        return None

    def _drop_silent(self, now: float) -> None:
        for key in list(self._selector.get_map().values()):
            if now - key.data.sent_at > ANSWER_TIMEOUT_S:
                self.errors["no answer"] += 1
                self._reopen(key.data)


def _summary(gun: _Gun, connections: int, seconds: float, warm_errors: Counter[str]) -> Result:
    ordered = sorted(gun.latencies)
    errors = {**{f"warm-up: {kind}": n for kind, n in warm_errors.items()}, **gun.errors}
    return Result(
        connections=connections,
        seconds=round(seconds, 3),
        requests=len(ordered),
        requests_per_s=round(len(ordered) / seconds, 1),
        p50_ms=round(percentile(ordered, 0.50) * 1e3, 3),
        p95_ms=round(percentile(ordered, 0.95) * 1e3, 3),
        p99_ms=round(percentile(ordered, 0.99) * 1e3, 3),
        max_ms=round((ordered[-1] if ordered else 0.0) * 1e3, 3),
        reconnects=gun.reconnects,
        errors=errors,
    )


@contextmanager
def _no_gc() -> Iterator[None]:
    import gc

    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def main(argv: list[str] | None = None) -> int:
    """Run one measurement and write it to stdout as one line of JSON."""
    parser = argparse.ArgumentParser(description="closed-loop HTTP load on loopback")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--method", default="POST")
    parser.add_argument("--path", default="/")
    parser.add_argument("--body", default="")
    parser.add_argument("--expect", type=json.loads, default={}, help='JSON object: {"dotted.key": value}')
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--warm-up", type=float, default=1.0)
    args = parser.parse_args(argv)
    shot = Shot(args.port, args.method, args.path, args.body.encode(), args.expect)
    with _no_gc():
        result = fire(shot, args.connections, args.seconds, args.warm_up)
    json.dump(vars(result), sys.stdout)
    print()
    return 0 if result.valid else 1


if __name__ == "__main__":
    sys.exit(main())
