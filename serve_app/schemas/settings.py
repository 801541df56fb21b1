"""Settings that were refused, on their way from the store to the inspector: not published by themselves."""

from __future__ import annotations

from typing_extensions import TypedDict


class SettingMistake(TypedDict):
    """One thing that is wrong: where, what was got (redacted and cut), what is accepted."""

    key: str
    got: str
    expected: str


class RefusedSettings(TypedDict):
    """The newest ``user_config`` of a deployment that was refused. ``in_force``: what it works with, a sentence."""

    deployment: str
    mistakes: list[SettingMistake]
    in_force: str
    since: str | None
