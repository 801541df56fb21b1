"""Files as the engine pulls them: in pieces, within bytes and time, and what was left out is said."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from serve_app.cluster.dashboard import Piece
from serve_app.errors import AppError, NotFound, Unavailable
from serve_app.jobs.diagnosis.evidence.files import FilePieces

LINES = b"".join(b"line %04d\n" % number for number in range(100))  # 1000 bytes


class Node:
    """An agent with one file; it fails when it is asked from byte ``fails_at`` on."""

    def __init__(self, data: bytes, fails_at: int = 10**9, error: AppError | None = None) -> None:
        self.data, self.fails_at, self.error = data, fails_at, error or Unavailable("gone.")
        self.asked: list[tuple[int, int]] = []
        self.seconds = 0.0

    async def read_piece(self, url: str, start: int, most_bytes: int) -> Piece:
        self.asked.append((start, most_bytes))
        self.seconds += 1
        if start >= self.fails_at:
            raise self.error
        return Piece(self.data[start : start + most_bytes], start, len(self.data))


async def read(
    node: Node, most_bytes: int, first: Piece | None = None, **changes: Any
) -> tuple[bytes, list[str], bool]:
    settings: dict[str, Any] = {"until": 100.0, "left_bytes": 10_000, "piece_bytes": 100, **changes}
    files = FilePieces(node.read_piece, asyncio.get_running_loop(), clock=lambda: node.seconds, **settings)
    pieces = files.open_reader("a.log", "http://n/logs/a.log", most_bytes, first)
    data = await asyncio.to_thread(lambda: b"".join(pieces()))
    return data, files.not_read, files.again


async def test_a_file_is_read_piece_by_piece() -> None:
    node = Node(LINES[:250])
    assert await read(node, 1_000) == (LINES[:250], [], False)
    assert node.asked == [(0, 100), (100, 100), (200, 100)]


async def test_the_first_piece_is_not_asked_for_again() -> None:
    node = Node(LINES[:150])
    assert await read(node, 1_000, Piece(LINES[:100], 0, 150)) == (LINES[:150], [], False)
    assert node.asked == [(100, 100)]


async def test_an_empty_file() -> None:
    assert await read(Node(b""), 1_000) == (b"", [], False)


async def test_of_a_long_file_the_first_and_the_last_part_are_read_in_whole_lines() -> None:
    node = Node(LINES)
    data, not_read, again = await read(node, 385)
    # 192 bytes from the begin; 193 from byte 807 on, which is in the midst of a line.
    assert data == LINES[:192] + b"\n" + LINES[810:]
    assert not_read == [
        "a.log: 615 of its 1000 bytes, from its middle, were not looked at; lines after them are counted as if they "
        "were not there."
    ]
    assert not again
    assert node.asked == [(0, 100), (100, 92), (807, 100), (907, 93)]


async def test_all_files_share_what_is_left() -> None:
    node = Node(LINES)
    files = FilePieces(node.read_piece, asyncio.get_running_loop(), 100.0, 1_050, clock=lambda: 0.0, piece_bytes=1_000)
    first, second = files.open_reader("a.log", "u", 2_000), files.open_reader("b.log", "u", 2_000)
    assert await asyncio.to_thread(lambda: len(b"".join(first()))) == 1_000
    assert await asyncio.to_thread(lambda: b"".join(second())) == LINES[:25] + b"\n" + LINES[980:]
    third = files.open_reader("c.log", "u", 2_000)
    assert await asyncio.to_thread(lambda: b"".join(third())) == b""
    assert files.not_read[1:] == ["c.log: it was not looked at, since the other files were too long."]


@pytest.mark.parametrize(
    ("node", "until", "size", "said"),
    [
        (Node(LINES, fails_at=200), 100.0, 200, "a.log: it could not be read from byte 200 on: gone."),
        (Node(LINES, 0, NotFound("There is no such log.")), 9.0, 0,
         "a.log: it could not be read from byte 0 on: There is no such log."),
        (Node(LINES), 3.0, 300, "a.log: there was no time to look at it from byte 300 on."),
    ],
)  # fmt: skip
async def test_what_cannot_be_read_is_said(node: Node, until: float, size: int, said: str) -> None:
    assert await read(node, 1_000, until=until) == (LINES[:size], [said], True)
