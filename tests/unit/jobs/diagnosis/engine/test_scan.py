from __future__ import annotations

import pytest

from serve_app.jobs.diagnosis.catalogue.catalogue import Catalogue, ClueRole, Signature
from serve_app.jobs.diagnosis.engine import scan as reading
from serve_app.jobs.diagnosis.engine.scan import Scan, scan
from serve_app.jobs.diagnosis.models import SourceKind, TextSource


def _signature(name: str, text: str, **more: object) -> Signature:
    return Signature(name=name, code="x.y", contains=(text,), matches=(), near_misses=(), **more)  # type: ignore[arg-type]


CATALOGUE = Catalogue(
    [
        _signature("store-full", "the store is full"),
        _signature("store-late", "the store is late", pattern=r"by \d+ s\b", unless="retrying"),
        _signature("harmless", "is deprecated", role=ClueRole.BENIGN),
        _signature("in-ray-only", "node was lost", kinds=(SourceKind.RAY,)),
    ],
    {},
)


def _scan(data: bytes, pieces: int = 7, kind: SourceKind = SourceKind.DRIVER) -> Scan:
    return scan(TextSource("log", kind, [data[at : at + pieces] for at in range(0, len(data), pieces)]), CATALOGUE)


def test_hits_have_their_line_stream_and_quote() -> None:
    found = _scan(b"one\n(f pid=1) 2026-01-02 03:04:05 the store is full of x\nthree\n")
    hit = found.hits[0]
    assert (hit.signature.name, hit.line, hit.stream, hit.quote, hit.at) == (
        "store-full",
        2,
        "(f pid=1)",
        "2026-01-02 03:04:05 the store is full of x",
        "2026.01.02.03.04.05.0",
    )
    assert [each.number for each in found.tail] == [1, 2, 3]


@pytest.mark.parametrize(
    ("line", "kind", "names"),
    [
        (b"the store is late by 3 s", SourceKind.DRIVER, ["store-late"]),
        (b"the store is late", SourceKind.DRIVER, []),
        (b"the store is late by 3 s, retrying", SourceKind.DRIVER, []),
        (b"the store is full; this is deprecated", SourceKind.DRIVER, []),
        (b"the node was lost", SourceKind.DRIVER, []),
        (b"the node was lost", SourceKind.RAY, ["in-ray-only"]),
        (b"the node was lost", SourceKind.FILE, ["in-ray-only"]),
    ],
)
def test_a_line_counts_only_as_its_signature_says(line: bytes, kind: SourceKind, names: list[str]) -> None:
    assert [hit.signature.name for hit in _scan(line, kind=kind).hits] == names


def test_of_what_is_found_very_often_the_first_and_the_last_are_kept() -> None:
    found = _scan(b"the store is full\n" * 10_000, pieces=1_000)
    lines = [hit.line for hit in found.hits]
    assert lines == [1, 2, 3, 4, 5, 6, 9_997, 9_998, 9_999, 10_000]


@pytest.mark.parametrize("before", [0, 1, 90, 100, 101, 250])
def test_nothing_is_lost_or_seen_twice_where_blocks_meet(monkeypatch: pytest.MonkeyPatch, before: int) -> None:
    monkeypatch.setattr(reading, "BLOCK_BYTES", 200)
    monkeypatch.setattr(reading, "_AHEAD_BYTES", 100)
    data = b"x\n" * (before // 2) + b"the store is full\n" + b"y\n" * 300 + b"the store is full"
    found = _scan(data, pieces=64)
    assert [hit.line for hit in found.hits] == [before // 2 + 1, before // 2 + 302]
    assert (found.tail[-1].number, found.tail[-1].quote) == (before // 2 + 302, "the store is full")


def test_a_traceback_across_a_border_of_blocks_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BLOCK_BYTES", 300)
    monkeypatch.setattr(reading, "_AHEAD_BYTES", 200)
    one = b'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    f()\nValueError: no\nwords\n'
    found = _scan(one * 20, pieces=50)
    assert [(each.begin, each.end, len(each.raised)) for each in found.tracebacks] == [
        (5 * n + 1, 5 * n + 4, 1) for n in range(20)
    ]


def test_a_line_longer_than_a_block_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BLOCK_BYTES", 5_000)
    monkeypatch.setattr(reading, "_AHEAD_BYTES", 1_000)
    found = _scan(b"a" * 20_000 + b"the store is full" + b"b" * 20_000, pieces=900)
    assert [(hit.line, "the store is full" in hit.quote) for hit in found.hits] == [(1, True)]


def test_a_log_in_utf_16_is_read() -> None:
    data = "\ufeffwords\nthe store is full\n".encode("utf-16-le")
    assert [(hit.line, hit.quote) for hit in _scan(data, pieces=6).hits] == [(2, "the store is full")]


def test_an_empty_source_has_nothing() -> None:
    found = scan(TextSource("log", SourceKind.FILE, []), CATALOGUE)
    assert (found.hits, found.tracebacks, found.tail) == ((), (), ())
