"""What load balancers ask, through the proxy that Serve puts before the application."""

from __future__ import annotations

import gzip
import json
import socket

import pytest

from tests.integration.cluster import Cluster

ALIVE = b'{"status":"alive"}'


def send_raw(cluster: Cluster, request: str) -> tuple[int, bytes]:
    """Status and body of a request that no client would make so."""
    port = int(cluster.http_url.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request.encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += connection.recv(65_536)
        head, _, body = answer.partition(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if b"content-length" in line)
        while len(body) < length and not request.startswith("HEAD"):
            body += connection.recv(65_536)
    return int(head.split()[1]), body


@pytest.mark.parametrize(
    ("request_line", "host", "answered"),
    [
        ("GET /health HTTP/1.0", None, (200, ALIVE)),
        ("GET /health HTTP/1.1", "localhost", (200, ALIVE)),
        ("OPTIONS /health HTTP/1.1", "localhost", (200, ALIVE)),
        ("HEAD /health HTTP/1.1", "localhost", (200, b"")),
        ("GET /health HTTP/1.1", "balancer.example", (200, b"")),
        ("OPTIONS /ready HTTP/1.1", "balancer.example", (200, b"")),
        ("GET /-/healthz HTTP/1.0", None, (200, b"success")),
    ],
)
def test_probes(cluster: Cluster, request_line: str, host: str | None, answered: tuple[int, bytes]) -> None:
    host_line = f"Host: {host}\r\n" if host else ""
    assert send_raw(cluster, f"{request_line}\r\n{host_line}\r\n") == answered


def test_other_routes_want_a_host_that_is_known(cluster: Cluster) -> None:
    assert send_raw(cluster, "GET /jobs HTTP/1.0\r\n\r\n")[0] == 400
    assert send_raw(cluster, "GET /jobs HTTP/1.1\r\nHost: balancer.example\r\n\r\n")[0] == 403


def test_a_compressed_body_is_415(cluster: Cluster) -> None:
    body = gzip.compress(json.dumps({"type": "test_task"}).encode())
    with cluster.api() as api:
        answer = api.post("/organism/execute", content=body, headers={"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()["code"]) == (415, "encoding_not_read")
