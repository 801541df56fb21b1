"""A server that does nothing: it shows the ceiling of the load generator, and of the machine's loopback.

python -m tests.bench.raw <port>
"""

from __future__ import annotations

import asyncio
import sys

import uvloop

from tests.bench.load import HOST

_BODY = b'{"success":true,"organ_id":"cognitive_organ_1"}'
_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(_BODY), _BODY)


class _Server(asyncio.Protocol):
    """Answers every chunk as one request: true for our generator, whose requests fit in a segment."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(_ANSWER)  # type: ignore[attr-defined]


async def serve(port: int) -> None:
    """Answer until cancelled."""
    server = await asyncio.get_running_loop().create_server(_Server, HOST, port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
