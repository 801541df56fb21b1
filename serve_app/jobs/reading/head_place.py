"""Where the head of a session listens, and whether anything does."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

_ASK_S = 1.0
_MARK = " "


@dataclass(frozen=True, slots=True)
class HeadPlace:
    """Where the head of a session listens: on which machine, and at which address (``host:port``)."""

    machine: str
    address: str

    def render(self) -> str:
        """As it is kept."""
        return f"{self.machine}{_MARK}{self.address}"

    @classmethod
    def parse(cls, text: str) -> HeadPlace | None:
        """What ``render`` made; None for anything else."""
        machine, mark, address = text.rpartition(_MARK)
        return cls(machine, address) if mark else None


async def is_refused(address: str) -> bool:
    """Whether this machine refuses connections at ``host:port``: nothing listens there. Silence proves nothing."""
    host, _, port = address.rpartition(":")
    if not port.isdigit():
        return False
    try:
        async with asyncio.timeout(_ASK_S):
            _, writer = await asyncio.open_connection(host, int(port))
    except ConnectionRefusedError:
        return True
    except (OSError, TimeoutError):
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return False
