"""Requests to the product and their answers, as they are kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx

from tests.integration.cluster import TOKENS, Cluster
from tests.record.answers import MAX_BYTES, OUT, save

# What we answer is not what Ray of some version answers.
DIRECTORY = OUT.parent / "api"

# A text is kept to show that there is one; what it says has tests of its own.
_TEXT_CHARS = 2_000


class Asked:
    """Asks as operator unless told otherwise, and keeps what came."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._kept: list[dict[str, Any]] = []

    def ask(self, method: str, path: str, *, role: str = "operator", **request: Any) -> Any:
        """One request; gives the answer's JSON, or its text."""
        headers = {"Authorization": f"Bearer {TOKENS[role]}"} if role in TOKENS else {}
        headers |= request.pop("headers", {})
        answer = httpx.request(method, f"{self._cluster.http_url}{path}", headers=headers, timeout=90, **request)
        media_type = answer.headers["content-type"].split(";")[0]
        is_json = media_type.endswith("json")
        body = answer.json() if is_json else answer.text[:_TEXT_CHARS]
        asked = {"method": method, "path": path, "status": answer.status_code, "media_type": media_type}
        self._kept.append({**asked, "body": body})
        print(f"{method} {path}: {answer.status_code} {len(answer.content)} bytes")
        return body

    def get(self, path: str) -> Any:
        """A GET that is kept."""
        return self.ask("GET", path)

    def write(self) -> None:
        """One file for each noun: what was asked of it, in order."""
        out = DIRECTORY
        out.mkdir(parents=True, exist_ok=True)
        for old in out.glob("*.json"):
            old.unlink()
        by_noun: dict[str, list[dict[str, Any]]] = {}
        for each in self._kept:
            by_noun.setdefault(each["path"].split("?")[0].split("/")[1], []).append(each)
        directory = _temp_dir(self._cluster.home)
        size = sum(save(noun, kept, directory, out, by_line=True) for noun, kept in by_noun.items())
        print(f"{out}: {size} bytes")
        if size > MAX_BYTES:
            raise SystemExit("too large to keep in the repository")


def _temp_dir(home: Path) -> Path:
    return Path(json.loads((home / "up.json").read_text())["temp_dir"])
