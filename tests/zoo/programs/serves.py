"""Programs that serve, or that wait for a person. ``python serves.py <name> … zoo=<job>``."""

from __future__ import annotations

import socket
import sys
from http.server import HTTPServer, SimpleHTTPRequestHandler

import ray


def serve_http() -> None:
    """Answer HTTP on a port of the kernel's choice."""
    HTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler).serve_forever()


def serve_from_actor() -> None:
    """The same from an actor, while the driver waits for it."""

    @ray.remote(num_cpus=0)
    class Server:
        def serve(self) -> None:
            serve_http()

    ray.get(Server.remote().serve.remote())


def be_kernel() -> None:
    """Listen as the kernel of a notebook does, and wait for what a person types."""
    channels = [socket.create_server(("127.0.0.1", 0)) for _ in range(5)]
    channels[0].accept()


NAMES = {"http": serve_http, "actor": serve_from_actor, "kernel": be_kernel}

if __name__ == "__main__":
    ray.init()
    NAMES[sys.argv[1]](*sys.argv[2:-1])
