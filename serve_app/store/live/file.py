"""The store's own settings in a file beside its database: it needs them before the database is there."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from serve_app.store.errors import StoreUnavailable, translate_errors

FILE_NAME = "store-settings.json"
_MAX_FILE_BYTES = 1_048_576


class SettingsFile:
    """``organs.live.settings.SettingsStore`` in one file: by application, what was accepted last.

    ``find_directory`` says where it is, and is asked each time; whatever it raises is passed on.
    """

    def __init__(self, find_directory: Callable[[], Path]) -> None:
        self._find_directory = find_directory

    async def last_settings(self, application: str, deployment: str) -> dict[str, Any] | None:
        """What was accepted last; None when nothing was, or when the file holds something else.

        Raises ``StoreUnavailable`` when the file cannot be read.
        """
        found = (await asyncio.to_thread(self._read)).get(_name(application, deployment))
        return found if isinstance(found, dict) else None

    async def note_settings(
        self, application: str, deployment: str, accepted: Mapping[str, Any] | None, refused: Mapping[str, Any] | None
    ) -> None:
        """Keep settings that are in force; a refusal is in the replica's memory alone.

        Raises ``StoreUnavailable`` when the file cannot be written.
        """
        if accepted is not None:
            await asyncio.to_thread(self._write, _name(application, deployment), dict(accepted))

    def _read(self) -> dict[str, Any]:
        path = self._find_directory() / FILE_NAME
        with translate_errors():
            try:
                with path.open("rb") as file:
                    text = file.read(_MAX_FILE_BYTES)
            except FileNotFoundError:
                return {}
        try:
            content = json.loads(text)
        except (ValueError, RecursionError):
            return {}
        return content if isinstance(content, dict) else {}

    def _write(self, name: str, accepted: dict[str, Any]) -> None:
        known = self._read()
        if known.get(name) == accepted:
            return
        directory = self._find_directory()
        content = json.dumps({**known, name: accepted}, sort_keys=True).encode()
        if len(content) > _MAX_FILE_BYTES:
            raise StoreUnavailable(f"The settings of the store take more than {_MAX_FILE_BYTES} bytes.")
        with translate_errors():
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            new = directory / f".{FILE_NAME}.{os.getpid()}"
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            new.replace(directory / FILE_NAME)


def _name(application: str, deployment: str) -> str:
    return f"{application}/{deployment}"
