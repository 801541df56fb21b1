"""One code of the vocabulary of causes."""

from __future__ import annotations

from dataclasses import dataclass

from serve_app.jobs.diagnosis.models import CodeClass

DOCS = "https://docs.ray.io/en/latest/"


@dataclass(frozen=True, slots=True)
class Code:
    """Why a job failed or does not move. ``title``: a noun phrase; ``sentence``: what happened; ``advice``: what to
    change, in the order in which to try it; ``docs``: a page that tells more, or empty.
    """

    code: str
    code_class: CodeClass
    title: str
    sentence: str
    advice: tuple[str, ...]
    docs: str = ""
