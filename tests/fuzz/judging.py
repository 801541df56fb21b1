"""What is wrong with an answer to a drawn case. Pure: the case's facts in, sentences out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serve_app.api.access import Role

# Refusals of a case that the schema allows, with the reason why the schema cannot say so.
_NO_SKILL = "which skills there are only the running agents know, a team's own among them (`GET /organism/status`)"
_CURSOR = "only what a page gave is a cursor; a pattern tells its form alone"
_RULES = "which it may have is said by the configuration (`args.job_management`)"
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("POST /organism/execute", "unknown_skill"): _NO_SKILL,
    ("POST /organism/execute/random", "unknown_skill"): _NO_SKILL,
    **{
        (f"GET {path}", "invalid_input query.cursor"): _CURSOR
        for path in ("/jobs", "/cluster/actors", "/alerts", "/alerts/history")
    },
    ("POST /jobs", "runtime_env_not_allowed"): _RULES,
    ("POST /jobs", "working_dir_not_allowed"): _RULES,
    ("POST /jobs", "invalid_input working_dir"): "it may stand in one of two places, and not in both",
}
# What a valid request may be told of the present state; the document names these for the operation, or it is a fault.
_OF_STATE = (404, 409, 429)
_WAITS = (429, 502, 503, 504)


@dataclass(frozen=True)
class Answer:
    """An answer, and what is known of the case: ``label`` is METHOD and path of its operation."""

    label: str
    role: Role | None
    needed: Role | None
    is_valid: bool
    status: int
    headers: Mapping[str, Any]
    body: Mapping[str, Any]

    @property
    def refusal(self) -> str:
        """The code, and for a value the place of the first that is wrong."""
        places = self.body.get("errors") or ()
        code = str(self.body.get("code"))
        return f"{code} {'.'.join(str(part) for part in places[0]['loc'])}" if places else code


def list_faults(answer: Answer) -> list[str]:
    """What is wrong beyond the published statuses, types and schemas."""
    faults = []
    if answer.status == 500:
        faults.append("a bug: 500")
    if answer.status in _WAITS and "retry-after" not in answer.headers:
        faults.append(f"{answer.status} without Retry-After")
    is_let_in = answer.needed is None or (answer.role is not None and answer.role >= answer.needed)
    if not is_let_in and answer.status not in (401, 403):
        faults.append(f"{answer.status} for the role {answer.role}, though {answer.needed} is needed")
    if is_let_in and answer.status == 401:
        faults.append("401 for a role that is enough")
    is_refused = is_let_in and answer.is_valid and 400 <= answer.status < 500 and answer.status not in _OF_STATE
    if is_refused and find_exception(answer) is None:
        faults.append(f"the schema allows what is refused: {answer.status} {answer.refusal}")
    return faults


def find_exception(answer: Answer) -> str | None:
    """Why a refusal of a valid case is none that the schema could tell."""
    return EXCEPTIONS.get((answer.label, answer.refusal))
