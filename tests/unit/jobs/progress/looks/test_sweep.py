"""The questions of a round by themselves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from serve_app.jobs.models import Known
from serve_app.jobs.progress.looks.sweep import Sweep
from serve_app.jobs.progress.models import HeldReference

ROW = {"object_id": "e" * 40 + "01000000" + "00000001", "pid": 7}


class Source:
    """Lists so many rows of so many that match."""

    def __init__(self, matching: int) -> None:
        self._matching = matching

    async def list_matching(
        self, table: str, filters: Iterable[tuple[str, str, str]], most_rows: int
    ) -> tuple[list[Any], int]:
        return [ROW], self._matching

    async def get_node_detail(self, node_id: str) -> Any:
        raise NotImplementedError

    async def read_figures(self, url: str) -> str:
        raise NotImplementedError


@pytest.mark.parametrize(("matching", "note"), [(1, None), (9_000, "1 of 9000 references are looked at")])
async def test_that_references_were_cut_is_told(matching: int, note: str | None) -> None:
    found = await Sweep(Source(matching)).ask_references()
    assert found == Known((HeldReference(7, "e" * 40 + "01000000"),), note)
