"""A hierarchy as an indented text and as a Mermaid diagram. Text of others can break neither. Pure."""

from __future__ import annotations

import re

from serve_app.jobs.answers.hierarchy import Branch
from serve_app.redaction import strip_controls

_LABEL_CHARS = 120
# What Mermaid reads as its own inside a quoted label, or a browser as markup.
_MEANS_SOMETHING = re.compile(r"[^A-Za-z0-9 _.,:/=()@+\-]")


def draw_text(root: Branch) -> str:
    """One line for each branch: what it is, how it stands, and in brackets what proves its place."""
    lines = []
    for depth, branch in root.walk():
        state = f": {branch.state}" if branch.state else ""
        proof = f"  [{branch.proof}]" if branch.proof else ""
        line = f"{branch.type} {branch.name}{state}{proof}".replace("\n", " ")
        lines.append("  " * depth + strip_controls(line)[:300])
    return "\n".join(lines) + "\n"


def draw_mermaid(root: Branch) -> str:
    """A ``flowchart``; edges carry their proof."""
    lines = ["flowchart LR"]
    numbers: dict[int, int] = {}
    stack: list[Branch] = []
    for depth, branch in root.walk():
        number = numbers.setdefault(id(branch), len(numbers))
        state = f" - {branch.state}" if branch.state else ""
        lines.append(f'  n{number}["{_escape_label(f"{branch.type} {branch.name}{state}")}"]')
        del stack[depth:]
        if stack:
            proof = f'|"{_escape_label(branch.proof)}"|' if branch.proof else ""
            lines.append(f"  n{numbers[id(stack[-1])]} -->{proof} n{number}")
        stack.append(branch)
    return "\n".join(lines) + "\n"


def _escape_label(text: str) -> str:
    """Mermaid's own escapes: ``#`` and the number of the character."""
    return _MEANS_SOMETHING.sub(lambda each: f"#{ord(each.group())};", strip_controls(text)[:_LABEL_CHARS])
