"""The root of every error that this product answers with, and how an input that is not acceptable is described."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from pydantic import ValidationError


class CodedError(Exception):
    """Carries a code for programs, a status of HTTP, and one sentence for people.

    CodedError
    ├── organs.skills.contract.SkillError   what a skill, or a way out of an organ, cannot do
    └── serve_app.errors.AppError           what the application answers with a problem document

    A call that fails ends with an error of the caller's branch (``organs.calls``); what the other side raised of this
    tree is known by its class, so it may cross from one branch to the other.
    """

    code = "error"
    status = 500
    replica_lost = False
    """Whether the replica that had the call is gone: the same call may be answered by another."""

    def __init__(self, detail: str, *, code: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        if code is not None:
            self.code = code


class WrongValue(TypedDict):
    """One thing that is wrong with an input: the way to it, what, and the same for programs; nothing of its value."""

    loc: list[str | int]
    msg: str
    type: str


def list_wrong_values(error: ValidationError) -> list[WrongValue]:
    """Each thing that pydantic found."""
    return pick_wrong_values(error.errors(include_url=False, include_context=False, include_input=False))


def pick_wrong_values(errors: Iterable[Mapping[str, Any]]) -> list[WrongValue]:
    """The same of errors that pydantic has told already, as FastAPI keeps them."""
    return [{"loc": list(each["loc"]), "msg": each["msg"], "type": each["type"]} for each in errors]


def describe_wrong_values(found: Sequence[WrongValue]) -> str:
    """The first as a sentence: ``parameters.key: Field required.``; what is wrong as a whole is the ``body``."""
    where = ".".join(str(part) for part in found[0]["loc"])
    return f"{where or 'body'}: {found[0]['msg']}."
