"""Files of nodes as the engine reads them: bytes in pieces, in a thread, fetched one at a time from the event loop,
within time and bytes; what was left out is in ``not_read``.

The engine pulls: the next piece is fetched when the one before has been looked at, so a file costs the memory of one
piece whatever its length, and an engine that stops leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from serve_app.cluster.dashboard import Piece
from serve_app.errors import AppError
from serve_app.hidden.matcher import get_matcher

PIECE_BYTES = 1_048_576
_MARGIN_S = 1.0

PieceOf = Callable[[str, int, int], Awaitable[Piece]]


@dataclass
class FilePieces:
    """All files of one diagnosis: they share the time until ``until`` (of ``clock``) and the bytes that are left.

    ``not_read`` says, a sentence for each, what was left out; ``again`` whether asking later may tell more. The two
    are complete when the engine has read.
    """

    piece_of: PieceOf
    loop: asyncio.AbstractEventLoop
    until: float
    left_bytes: int
    clock: Callable[[], float] = time.monotonic
    piece_bytes: int = PIECE_BYTES
    not_read: list[str] = field(default_factory=list)
    again: bool = False

    def open_reader(
        self, name: str, url: str, most_bytes: int, first: Piece | None = None, *, begin: int = 0
    ) -> Callable[[], Iterator[bytes]]:
        """A way to read one file from byte ``begin`` on, from its first piece when that is here already. Of one that is
        longer than ``most_bytes``, the first and the last half of so many are read.
        """
        if first is not None and begin:
            here = begin < len(first.data)
            first = replace(first, data=first.data[begin:], start=begin) if here else None

        def read_pieces() -> Iterator[bytes]:
            return self._iterate_pieces(name, url, min(most_bytes, self.left_bytes), first, begin)

        return read_pieces

    def _iterate_pieces(self, name: str, url: str, most_bytes: int, piece: Piece | None, at: int) -> Iterator[bytes]:
        if most_bytes <= 0:
            self.not_read.append(f"{name}: it was not looked at, since the other files were too long.")
            return
        read = 0
        skipped = headless = False
        # How long the file is, the first piece tells; until then no more than the first half is asked for.
        piece = piece or self._fetch(name, url, at, most_bytes // 2)
        while piece is not None and piece.data:
            at, read = at + len(piece.data), read + len(piece.data)
            self.left_bytes -= len(piece.data)
            # A line whose beginning was left out may hold a secret that nothing names any more.
            data = _skip_partial_line(piece.data) if headless else piece.data
            headless = headless and not data
            if data:
                yield data
            left_bytes = most_bytes - read
            if at >= piece.size_bytes or left_bytes <= 0:
                return
            too_long = not skipped and piece.size_bytes - at > left_bytes
            if too_long and read >= most_bytes // 2:
                beyond = piece.size_bytes - left_bytes
                self.not_read.append(
                    f"{name}: {beyond - at} of its {piece.size_bytes} bytes, from its middle, were not looked at; "
                    "lines after them are counted as if they were not there."
                )
                at, skipped, headless, too_long = beyond, True, True, False
                yield b"\n"
            piece = self._fetch(name, url, at, most_bytes // 2 - read if too_long else left_bytes)

    def _fetch(self, name: str, url: str, at: int, wanted: int) -> Piece | None:
        """The piece that begins at this byte; None when it cannot be had, which is said."""
        left_s = self.until - self.clock()
        if left_s <= 0:
            self._note_left_out(f"{name}: there was no time to look at it from byte {at} on.")
            return None
        asked = self.piece_of(url, at, min(wanted, self.piece_bytes))
        coming = asyncio.run_coroutine_threadsafe(_await_piece(asked), self.loop)
        try:
            return coming.result(left_s + _MARGIN_S)
        except (TimeoutError, concurrent.futures.CancelledError):
            coming.cancel()
            self._note_left_out(f"{name}: there was no time to look at it from byte {at} on.")
        except AppError as error:
            self._note_left_out(f"{name}: it could not be read from byte {at} on: {error.detail}")
        return None

    def _note_left_out(self, sentence: str) -> None:
        self.not_read.append(sentence)
        self.again = True


def hide_in_chunks(
    chunks: Iterable[bytes] | Callable[[], Iterator[bytes]], values: Sequence[str]
) -> Iterable[bytes] | Callable[[], Iterator[bytes]]:
    """The same bytes with each of these values replaced, also where two pieces meet."""
    if not values:
        return chunks
    matcher = get_matcher(tuple(values))
    longest = matcher.longest_bytes

    def read_hidden() -> Iterator[bytes]:
        kept = b""
        for chunk in chunks() if callable(chunks) else chunks:
            data = matcher.hide_in_bytes(kept + chunk)
            # What may be the beginning of a value waits for the next piece.
            kept = data[max(0, len(data) - longest + 1) :] if longest > 1 else b""
            if shown := data[: len(data) - len(kept)]:
                yield shown
        if kept:
            yield kept

    return read_hidden


async def _await_piece(asked: Awaitable[Piece]) -> Piece:
    return await asked


def _skip_partial_line(data: bytes) -> bytes:
    return data[data.find(b"\n") + 1 :] if b"\n" in data else b""
