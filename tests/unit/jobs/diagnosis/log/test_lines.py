from __future__ import annotations

import pytest

from serve_app.jobs.diagnosis.log.lines import LogLine, find_bounds, find_time, parse_line, quote_part


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (b"plain words", LogLine("plain words", "")),
        (b"\x1b[36m(f pid=12)\x1b[0m words", LogLine("words", "(f pid=12)")),
        (b"[2m[36m(DQN pid=5)[0m words", LogLine("words", "(DQN pid=5)")),
        (b"(raylet, ip=10.0.0.2) words", LogLine("words", "(raylet, ip=10.0.0.2)")),
        (
            b"(EngineCore pid=7) (Worker pid=9, ip=10.0.0.1) words",
            LogLine("words", "(EngineCore pid=7)(Worker pid=9, ip=10.0.0.1)"),
        ),
        (b"2026-01-02T03:04:05.1Z stdout F (f pid=1)   File", LogLine("  File", "(f pid=1)")),
        (b"ray-head-1  | words", LogLine("words", "")),
        (b"(a remark) words", LogLine("(a remark) words", "")),
        (b"caf\xe9 \xff", LogLine("caf\ufffd \ufffd", "")),
        (b"\x00\x07words\x1b]0;title\x07 more", LogLine("words more", "")),
    ],
)
def test_what_others_put_before_a_line_is_taken_off(raw: bytes, line: LogLine) -> None:
    assert parse_line(raw) == line


def test_a_line_of_many_megabytes_is_looked_at_around_the_place() -> None:
    block = b"a" * 5_000_000 + b"HERE" + b"b" * 5_000_000
    begin, end = find_bounds(block, 5_000_000)
    assert b"HERE" in block[begin:end]
    assert end - begin <= 4_096


def test_a_carriage_return_ends_a_line_as_a_line_end_does() -> None:
    block = b"first\n10%\r20% ValueError: x\r30%\nlast"
    begin, end = find_bounds(block, block.index(b"ValueError"))
    assert block[begin:end] == b"20% ValueError: x"


@pytest.mark.parametrize(
    ("raw", "quote"),
    [
        (b"(f pid=1) ValueError: no", "ValueError: no"),
        (b"\x1b[31mValueError\x1b[0m: no such table", ": no such table"),
        (b"ValueError: token=abcdefgh123", "ValueError: token=[redacted]"),
        (b"x" * 3_000 + b"ValueError: no", "x" * 386 + "ValueError: no"),
    ],
)
def test_a_quote_is_a_part_of_its_line(raw: bytes, quote: str) -> None:
    assert quote_part(raw, raw.find(b"ValueError")) == quote


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-01-02 03:04:05,678 INFO x", "2026.01.02.03.04.05.678"),
        ("[2026-01-02T03:04:05] x", "2026.01.02.03.04.05.0"),
        ("no time", None),
    ],
)
def test_when_a_line_was_written(text: str, at: str | None) -> None:
    assert find_time(text) == at
