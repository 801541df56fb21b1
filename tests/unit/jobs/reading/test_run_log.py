"""Where a run begins in a file, and what is read to find out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from serve_app.cluster.dashboard import Piece
from serve_app.jobs.reading import run_log
from serve_app.jobs.reading.run_log import RunPart, find_run_part, is_run
from tests.unit.jobs.actions.fakes import row

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
MARK = b"Running entrypoint for job j: python a.py\n"


def begin(at: datetime) -> bytes:
    return (
        f"{at.astimezone():%Y-%m-%d %H:%M:%S},007\tINFO job_manager.py:581 -- Runtime env is setting up.\n".encode()
        + MARK
    )


class File:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.read: list[tuple[int, int]] = []

    async def read_piece(self, url: str, start: int, most_bytes: int) -> Piece:
        self.read.append((start, most_bytes))
        return Piece(self.data[start : start + most_bytes], start, len(self.data))

    async def find(self, head_bytes: int, started_at: datetime | None = AT) -> RunPart:
        first = Piece(self.data[:head_bytes], 0, len(self.data))
        return await find_run_part(self.read_piece, "u", "j", started_at, first)


OLD = begin(AT - timedelta(hours=1)) + b"old\n" * 100
NEW = begin(AT) + b"new\n" * 100


@pytest.mark.parametrize(
    ("data", "wanted"),
    [(b"", 0), (b"no mark\n", 0), (NEW, 0), (OLD + NEW, len(OLD)), (OLD + MARK + b"x\n", len(OLD)), (MARK + b"x\n", 0)],
)
async def test_a_file_that_is_read_already(data: bytes, wanted: int) -> None:
    file = File(data)
    assert await file.find(10_000) == RunPart(wanted)
    assert file.read == []


async def test_a_run_that_began_when_ray_noted_it_is_the_only_one_whatever_it_prints() -> None:
    child = begin(AT + timedelta(seconds=9)).partition(MARK)[0]
    assert await File(NEW + child).find(10_000) == RunPart(0)
    # One that never got to its command.
    assert await File(OLD + begin(AT).partition(MARK)[0]).find(10_000) == RunPart(len(OLD))


async def test_the_first_piece_of_a_long_file_says_that_it_is_one_run() -> None:
    file = File(NEW * 1 + b"x\n" * 5_000)
    assert await file.find(300) == RunPart(0)
    assert file.read == []


async def test_a_later_run_is_searched_for_from_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_log, "PIECE_BYTES", 200)
    monkeypatch.setattr(run_log, "_OVERLAP_BYTES", 150)
    # Wherever the pieces meet.
    for more in range(400):
        for file in (File(OLD + b"o\n" * more + NEW), File(OLD + b"o\n" * 400 + NEW + b"n" * more)):
            place = file.data.index(NEW)
            assert (more, await file.find(300)) == (more, RunPart(place))
    monkeypatch.setattr(run_log, "MOST_SEARCHED_BYTES", 450)
    file = File(OLD + NEW + b"n\n" * 1_000)
    part = await file.find(300)
    # From a whole line on.
    assert (part.certain, len(file.data) - part.begin) == (False, 598)
    assert file.data[part.begin - 1 : part.begin + 2] == b"\nn\n"


async def test_without_a_clock_the_whole_file_is_searched() -> None:
    for data, started_at in ((MARK, AT), (NEW, None), (NEW, AT + timedelta(hours=1)), (NEW, AT - timedelta(minutes=1))):
        file = File(data + b"x\n" * 5_000)
        assert await file.find(300, started_at) == RunPart(0)
        assert file.read == [(0, len(file.data))]


def test_whose_row_it_is() -> None:
    ours = row(started_at=AT)
    assert is_run(ours, {"start_time": 1767268800000}) is True
    assert is_run(ours, {"start_time": 1767268800001}) is False
    assert is_run(ours, {}) is True
    assert is_run(row(), {"start_time": 1}) is True
