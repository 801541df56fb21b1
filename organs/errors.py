"""The root of every error that this product answers with, and of what a call to another deployment ends with."""

from __future__ import annotations


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
