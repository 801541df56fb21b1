"""Stacks of processes as py-spy dumps them: what is kept, what is compared, and why there are none. Pure."""

from __future__ import annotations

import re

from serve_app.redaction import redact

MOST_CHARS = 16_000
_LINE_CHARS = 300
_THREAD = re.compile(r'^Thread \S+ \((?P<state>[^)]*)\)(?:: "(?P<name>[^"]*)")?')
_FRAME = re.compile(r"^\s+(?P<function>.+) \((?P<file>[^()]*):(?P<line>\d+)\)\s*$")
# Threads that Ray keeps in every process; they wait, whatever the program does.
_OF_RAY = frozenset({"PythonGCThread", "ray_listen_error_messages", "ray_print_logs", "ray_import_thread"})

NOT_INSTALLED = "py-spy is not installed where Ray's agent of that node looks for programs (its PATH)"
NOT_PERMITTED = "py-spy may not read that process (it needs the capability SYS_PTRACE, or root)"
NO_PROCESS = "that process has ended"
_REASONS = (
    ("py-spy is not installed", NOT_INSTALLED),
    ("ermission", NOT_PERMITTED),
    ("Operation not permitted", NOT_PERMITTED),
    ("Check that the process is running", NO_PROCESS),
    ("No such process", NO_PROCESS),
    ("Failed to get agent address", "Ray knows no agent of that node"),
)


def render_stack(dump: str) -> str:
    """Redacted and cut. The command line, which has its own place and may be a whole program, is left out."""
    lines = dump.splitlines()
    first = next((number for number, line in enumerate(lines) if _THREAD.match(line)), 0)
    return redact("\n".join(line[:_LINE_CHARS] for line in lines[first:])[:MOST_CHARS])


def normalize_stack(stack: str) -> str:
    """Threads of the program with their frames: without Ray's own, and without which had a processor."""
    kept, of_program = [], False
    for line in stack.splitlines():
        thread = _THREAD.match(line)
        if thread is not None:
            name = thread["name"] or "without a name"
            of_program = name not in _OF_RAY
            kept += [f"Thread {name}"] if of_program else []
        elif of_program and _FRAME.match(line):
            kept.append(line.rstrip())
    return "\n".join(kept)


def find_place(stack: str) -> str:
    """The innermost frame of the first thread that has any, and the innermost that is not of Ray."""
    frames: list[str] = []
    program = ""
    for line in stack.splitlines():
        if _THREAD.match(line):
            if frames:
                break
            continue
        if frame := _FRAME.match(line):
            frames.append(f"{frame['function']} ({frame['file']}:{frame['line']})")
            program = program or ("" if frame["file"].startswith("ray/") else frames[-1])
    told = [*frames[:1], program] if program and program != frames[0] else frames[:1]
    return " < ".join(told) or "no Python frame"


def explain_refusal(answer: str) -> str:
    """What Ray's refusal of a stack means, in one sentence part."""
    for words, reason in _REASONS:
        if words in answer:
            return reason
    lines = [line for line in answer.splitlines() if line.strip() and not line.startswith("===")]
    return redact(lines[-1].strip())[:_LINE_CHARS] if lines else "Ray did not say why"
