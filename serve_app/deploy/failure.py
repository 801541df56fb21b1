"""How these programs fail: one sentence of cause, one of what to do next."""

from __future__ import annotations

from serve_app.cluster.ray_token import TokenRefused


class Failure(Exception):
    """Something a person has to mend; ends the program with exit code 1."""

    def __init__(self, cause: str, next_step: str, details: str = "") -> None:
        """``details`` is shown between the two, for example the last lines of a command's output."""
        super().__init__(cause)
        self.cause = cause
        self.next_step = next_step
        self.details = details

    def render(self) -> str:
        """The whole message, as printed."""
        middle = [f"  | {line}" for line in self.details.splitlines()]
        return "\n".join([f"error: {self.cause}", *middle, f"next:  {self.next_step}"])


class ConfigurationRefused(Failure):
    """Serve took nothing of what it was sent: what was in force still is."""


def adopt(refused: Failure | TokenRefused) -> Failure:
    """A Ray that asks for its token is one more thing for a person to mend."""
    return refused if isinstance(refused, Failure) else Failure(refused.cause, refused.next_step)


def read_last_lines(text: str, limit: int = 12) -> str:
    """The end of a command's output, without empty lines: what usually holds the cause."""
    return "\n".join([line.rstrip() for line in text.splitlines() if line.strip()][-limit:])
