"""Ids that look like ways to another file: what Ray is asked for is one file of its own folder, or nothing."""

from __future__ import annotations

import contextlib
from urllib.parse import unquote

import pytest

from serve_app.errors import NotFound
from tests.unit.jobs.actions.fakes import AGENT, FakeRay, row
from tests.unit.jobs.logs.test_logs import logs_of

IDS = [
    "..", ".", "../x", "../../etc/passwd", "/etc/passwd", "a/../../b", "..\\..\\x", "a\\b", "%2e%2e%2fx", "..%2fx",
    "%00", "x\0y", "x\ny", "~root", "$HOME", "`id`", "$(id)", "a;b", "a?lines=1", "a#b", "a&name=/etc/passwd", "http://x/y",
    "\u2025\u2215x",
]  # fmt: skip


@pytest.mark.parametrize("id", IDS, ids=repr)
async def test_the_log_of_an_id_is_one_file_of_its_folder(id: str) -> None:
    raw = {"status": "FAILED", "driver_agent_http_address": AGENT}
    ray = FakeRay({id: raw}, log=b"line\n", rows={id: row(id)})
    with contextlib.suppress(NotFound):
        await logs_of(ray).read_tail(id, 1)
    asked = [argument[0] for name, argument in ray.asked if name == "piece"]
    folder = f"{AGENT}/logs/"
    assert all(url.startswith(folder) for url in asked)
    names = [url.removeprefix(folder) for url in asked]
    assert [name for name in names if set(name) & set("/?#&;\\\0\n") or unquote(name) != f"job-driver-{id}.log"] == []


async def test_what_can_be_no_file_is_not_asked_for() -> None:
    asked, told = [], []
    for id in IDS:
        ray = FakeRay({id: {"driver_agent_http_address": AGENT}}, log=b"", rows={id: row(id)})
        try:
            await logs_of(ray).read_tail(id, 1)
            asked.append(id)
        except NotFound as error:
            told.append(error.code)
            assert ray.asked == []
    assert not [id for id in asked if set(id) & set("/\\\0")]
    assert set(told) == {"no_driver_log"}
