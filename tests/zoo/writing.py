"""How the tables write a step: a program of ours as a line of a shell. What is in braces is filled in when it runs."""

from __future__ import annotations

from typing import Any

from tests.zoo.model import Drive, Submit


def line(file: str, words: str, id: str) -> str:
    """``python FILE WORDS zoo=ID``."""
    return f"{{python}} {{here}}/{file} {words} zoo={id}"


def shell(id: str, text: str) -> str:
    """A line for bash; its quotes must be double ones. The job is told by its last word."""
    return f"bash -c '{text}' zoo={id}"


def submit(id: str, file: str, words: str, metadata: dict[str, str] | None = None, **more: Any) -> Submit:
    """A job that runs one program of ours."""
    return Submit(id, line(file, words, id), tuple((metadata or {}).items()), tuple(more.items()))


def submit_shell(id: str, text: str, metadata: dict[str, str] | None = None, **more: Any) -> Submit:
    """A job that runs a line of bash."""
    return Submit(id, shell(id, text), tuple((metadata or {}).items()), tuple(more.items()))


def drive(id: str, file: str, words: str) -> Drive:
    """A driver that is started by hand."""
    return Drive(id, line(file, words, id))
