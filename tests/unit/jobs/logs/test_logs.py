"""Lines out of bytes, tails and followers, in bounded memory."""

from __future__ import annotations

from typing import Any

import pytest

from serve_app.cluster.dashboard import Piece
from serve_app.errors import AppError, Unavailable
from serve_app.jobs.logs import logs as module
from serve_app.jobs.logs.lines import HEADLESS, MAX_LINE_BYTES, LineCutter, read_last_lines
from serve_app.jobs.logs.logs import Logs
from serve_app.jobs.models import JobType
from serve_app.jobs.settings import InspectorConfig
from serve_app.outcomes import JobOutcome
from tests.unit.jobs.actions.fakes import AGENT, Clock, FakeRay, row


def of(*lines: Any) -> list[tuple[str, int]]:
    return [(line.text, line.after) for line in lines]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_lines_do_not_depend_on_how_they_arrive(size: int) -> None:
    data = "one\ntw\u00f6\r\n\nthree token=canary\nrest".encode()
    cutter = LineCutter(100)
    found = [line for at in range(0, len(data), size) for line in cutter.feed(data[at : at + size])]
    expected = [("one", 104), ("tw\u00f6", 110), ("", 111), ("three token=[redacted]", 130)]
    assert of(*found) == expected
    assert of(*cutter.flush()) == [("rest", 134)]
    assert cutter.flush() == []


def test_a_line_without_an_end_stays_bounded() -> None:
    cutter = LineCutter(0)
    for _ in range(200):
        assert cutter.feed(b"x" * 65_536) == []
    assert len(cutter._kept) == MAX_LINE_BYTES
    (line,) = cutter.feed(b"\n")
    assert (len(line.text), line.text[-7:], line.after) == (20_007, "… [cut]", 200 * 65_536 + 1)
    assert of(*cutter.feed(b"next\n")) == [("next", line.after + 5)]


def test_a_line_of_which_only_the_end_was_read_is_not_shown() -> None:
    cutter = LineCutter(5, headless=True)
    assert of(*cutter.feed(b"canary\nnext\n")) == [(HEADLESS, 12), ("next", 17)]
    assert of(*LineCutter(5, headless=True).flush()) == [(HEADLESS, 5)]


def test_a_private_key_over_many_lines() -> None:
    key = b"-----BEGIN RSA PRIVATE KEY-----\nY2FuYXJ5\nY2FuYXJ5\n-----END RSA PRIVATE KEY-----\nafter\n"
    texts = [line.text for line in LineCutter(0).feed(b"before\n" + key)]
    assert texts == ["before", *["[redacted]"] * 4, "after"]
    shown, _ = read_last_lines(Piece(key, 0, len(key)), 4)
    assert shown == ["[redacted]"] * 3 + ["after"]


TEN = b"".join(b"line %d\n" % number for number in range(10))


@pytest.mark.parametrize(
    ("data", "start", "lines", "shown", "begin"),
    [
        (TEN, 0, 2, ["line 8", "line 9"], 56),
        (TEN, 0, 10, [f"line {number}" for number in range(10)], 0),
        (TEN, 0, 99, [f"line {number}" for number in range(10)], 0),
        (TEN[:-1], 0, 1, ["line 9"], 63),
        (TEN[3:], 3, 99, [f"line {number}" for number in range(1, 10)], 7),
        (b"", 0, 5, [], 0),
        (b"\n", 0, 5, [""], 0),
        (b"no end", 9, 5, [HEADLESS], 9),
        (b"the end\n", 9, 5, [HEADLESS], 9),
        (b"the end\nlast", 9, 5, ["last"], 17),
    ],
)
def test_last_lines(data: bytes, start: int, lines: int, shown: list[str], begin: int) -> None:
    assert read_last_lines(Piece(data, start, start + len(data)), lines) == (shown, begin)


def ray_with(log: bytes | None, **changes: Any) -> FakeRay:
    raw = {"status": "RUNNING", "driver_agent_http_address": AGENT, **changes}
    return FakeRay({"j": raw}, log=log, rows={"j": row(status=raw["status"], outcome=JobOutcome.SUCCEEDED)})


def logs_of(ray: FakeRay, clock: Clock | None = None, **config: Any) -> Logs:
    clock = clock or Clock()
    return Logs(ray, ray.find, lambda: InspectorConfig(**config), now=clock.now, clock=clock, pause=clock.pause)


async def test_a_tail() -> None:
    ray = ray_with(b"x\npassword=canary\nlast\n")
    assert await logs_of(ray).read_tail("j", 2) == {
        "id": "j",
        "submission_id": "j",
        "status": "RUNNING",
        "node_id": "n1",
        "source": "job-driver-j.log",
        "lines": ["password=[redacted]", "last"],
        "truncated": True,
        "size_bytes": 23,
        "reason": None,
        "as_of": "2026-01-01T12:00:00.000+00:00",
    }
    assert ray.asked[-1] == ("piece", (f"{AGENT}/logs/job-driver-j.log", -131_072, 131_072))


async def test_a_tail_of_a_large_log_reads_a_mebibyte_at_most() -> None:
    ray = ray_with(b"a line of some words\n" * 500_000)
    done = await logs_of(ray).read_tail("j", 10_000)
    assert (len(done["lines"]), done["truncated"], done["size_bytes"]) == (10_000, True, 10_500_000)
    assert [argument[2] for name, argument in ray.asked if name == "piece"] == [131_072, 1_048_576]


async def refusal(asked: Any) -> str:
    with pytest.raises(AppError) as refused:
        await asked
    return f"{refused.value.status} {refused.value.code}"


async def test_no_log() -> None:
    waiting = await logs_of(ray_with(b"", driver_agent_http_address=None)).read_tail("j", 1)
    assert (waiting["lines"], waiting["reason"]) == ([], "No node has begun with it, so there is no log yet.")
    forged = await logs_of(ray_with(b"x", driver_agent_http_address="http://a/../x?y#")).read_tail("j", 1)
    assert forged["lines"] == []
    plain = FakeRay(rows={"j": row(type=JobType.DRIVER, submission_id=None)})
    assert await refusal(logs_of(plain).read_tail("j", 1)) == "404 no_driver_log"
    assert await refusal(logs_of(plain).follow("j", 1, None).__anext__()) == "404 no_driver_log"
    elsewhere = FakeRay(rows={"j": row(submission_id="../../x")})
    assert await refusal(logs_of(elsewhere).read_tail("j", 1)) == "404 no_driver_log"
    assert await refusal(logs_of(ray_with(None)).read_tail("j", 1)) == "404 not_found"


async def everything(items: Any) -> list[Any]:
    return [item async for item in items]


def end(reason: str, sentence: str, outcome: str | None = None, status: str | None = "RUNNING") -> Any:
    return {"end": {"id": "j", "reason": reason, "status": status, "outcome": outcome, "sentence": sentence}}


ALL_OF_IT = "The job has ended, and this was all of its log."


async def test_following_to_the_end() -> None:
    ray = ray_with(b"one\ntwo\nthr")

    def happens(seconds: float) -> None:
        if seconds == 1.25:
            assert ray.log is not None
            ray.log += b"ee\nlast"
            ray.jobs_by_id["j"]["status"] = "SUCCEEDED"
            ray.rows["j"] = row(status="SUCCEEDED", outcome=JobOutcome.SUCCEEDED)

    made = logs_of(ray, Clock(on_pause=happens))
    assert await everything(made.follow("j", 2, None)) == [
        {"lines": []},
        {"lines": [["two", 8]]},
        {"lines": [["three", 14]]},
        {"lines": [["last", 18]], **end("ended", ALL_OF_IT, "succeeded", "SUCCEEDED"), "at": 18},
    ]
    assert made.followers == 0


@pytest.mark.parametrize(
    ("after", "lines"),
    [(0, ["one", "two"]), (4, ["two"]), (8, []), (2, [HEADLESS, "two"]), (6, [HEADLESS])],
)
async def test_going_on_where_an_id_says(after: int, lines: list[str]) -> None:
    items = await everything(logs_of(ray_with(b"one\ntwo\n", status="FAILED")).follow("j", 1, after))
    assert [text for item in items for text, _ in item.get("lines", ())] == lines
    assert items[-1]["end"]["reason"] == "ended"


KEY = b"-----BEGIN RSA PRIVATE KEY-----\n" + b"Y2FuYXJ5\n" * 6 + b"-----END RSA PRIVATE KEY-----\n"


@pytest.mark.parametrize(("lines", "after"), [(3, None), (1, len(KEY) // 2), (1, 32 + 9), (1, 32 + 18), (1, 33)])
@pytest.mark.parametrize("log", [KEY + b"after\n", KEY[:70] + b"after\n"])
async def test_a_follower_who_begins_in_a_private_key_sees_none_of_it(
    log: bytes, lines: int, after: int | None
) -> None:
    items = await everything(logs_of(ray_with(log, status="FAILED")).follow("j", lines, after))
    texts = [text for item in items for text, _ in item.get("lines", ())]
    assert "Y2FuYXJ5" not in "".join(texts)
    assert (await logs_of(ray_with(log)).read_tail("j", 3))["lines"][0] == "[redacted]"


async def test_who_is_taken_to_the_end_of_a_private_key_sees_none_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BEHIND_BYTES", 100)
    monkeypatch.setattr(module, "PIECE_BYTES", 60)
    items = await everything(logs_of(ray_with(TEN + KEY, status="FAILED")).follow("j", 1, 0))
    texts = [text for item in items for text, _ in item.get("lines", ())]
    assert texts == [HEADLESS, *["[redacted]"] * 4]


async def test_a_follower_is_bounded_in_time_and_hears_a_heartbeat() -> None:
    clock = Clock()
    items = await everything(logs_of(ray_with(b""), clock, follow_limit_s=40).follow("j", 1, None))
    assert items[:-1] == [{"lines": []}] * 3
    assert items[-1]["end"]["reason"] == "time_limit"
    assert 40 <= clock.seconds <= 41


async def test_who_falls_behind_is_taken_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BEHIND_BYTES", 50)
    monkeypatch.setattr(module, "PIECE_BYTES", 10)
    items = await everything(logs_of(ray_with(TEN, status="FAILED")).follow("j", 1, 0))
    texts = [text for item in items for text, _ in item.get("lines", ())]
    assert items[1] == {"skipped_bytes": 60}
    assert texts == [HEADLESS, "line 9"]


async def test_ray_may_not_answer_for_a_while() -> None:
    ray, clock = ray_with(b"one\n", status="FAILED"), Clock()
    ray.fail = {"piece": Unavailable("The node cannot be asked.")}
    clock.on_pause = lambda seconds: ray.fail.clear() if seconds > 20 else None
    items = await everything(logs_of(ray, clock).follow("j", 1, None))
    assert items[-1]["end"]["reason"] == "ended"
    ray.fail = {"piece": Unavailable("The node cannot be asked.")}
    items = await everything(logs_of(ray, Clock()).follow("j", 1, None))
    assert items[-1] == end("log_unavailable", "The node cannot be asked.", status="FAILED")


async def test_a_log_that_goes_away() -> None:
    ray = ray_with(b"one\n")
    clock = Clock(on_pause=lambda seconds: setattr(ray, "log", b"") if seconds > 3 else None)
    items = await everything(logs_of(ray, clock).follow("j", 1, None))
    assert items[-1] == end("log_gone", "The log was cut or replaced while it was followed.")
    ray = ray_with(b"one\n")
    clock = Clock(on_pause=lambda seconds: ray.jobs_by_id.clear() if seconds > 3 else None)
    items = await everything(logs_of(ray, clock).follow("j", 1, None))
    assert items[-1] == end("log_gone", "The job or its log is not there any more.")


async def test_a_job_that_ends_before_it_has_a_log() -> None:
    ray = ray_with(b"", status="PENDING", driver_agent_http_address=None)
    ray.rows["j"] = row(outcome=JobOutcome.FAILED)
    clock = Clock(on_pause=lambda seconds: ray.jobs_by_id["j"].update(status="FAILED") if seconds > 3 else None)
    items = await everything(logs_of(ray, clock).follow("j", 1, None))
    assert items == [{"lines": []}, {**end("ended", ALL_OF_IT, "failed", "FAILED"), "at": 0}]
    # Who comes back then is told at once that there is nothing more.
    assert await everything(logs_of(ray).follow("j", 1, 0)) == items[1:]


@pytest.mark.parametrize(
    ("log", "status", "after", "first"),
    [
        (b"one\n", "SUCCEEDED", 4, ["end"]),
        (b"", "SUCCEEDED", 0, ["end"]),
        (b"one\n", "SUCCEEDED", 9, ["end"]),  # the log was cut since
        (b"one\n", "SUCCEEDED", 3, ["lines"]),
        (b"one\n", "SUCCEEDED", None, ["lines"]),
        (b"one\n", "RUNNING", 4, ["lines"]),
        (None, "SUCCEEDED", 4, ["lines"]),  # no log: told within the stream
    ],
)
async def test_who_comes_back_to_the_end(log: bytes | None, status: str, after: int | None, first: list[str]) -> None:
    items = logs_of(ray_with(log, status=status)).follow("j", 1, after)
    item = await anext(items)
    assert [name for name in ("lines", "end") if name in item] == first
    assert item.get("at", after) == after
    await items.aclose()


async def test_followers_are_bounded_and_give_their_place_back() -> None:
    made = logs_of(ray_with(b""), log_followers=2)
    one, two = made.follow("j", 1, None), made.follow("j", 1, None)
    assert [await anext(one), await anext(two)] == [{"lines": []}] * 2
    assert await refusal(anext(made.follow("j", 1, None))) == "429 too_busy"
    await one.aclose()
    assert made.followers == 1
    assert await anext(made.follow("j", 1, None)) == {"lines": []}
    await two.aclose()
