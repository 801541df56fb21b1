"""Frames of a traceback: whose code they are, and the library call in which an exception was raised. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from serve_app.jobs.diagnosis.models import ProgramError
from serve_app.redaction import redact

# The frames of Python, of IPython since 8 and before, and of a cell.
_PYTHON = re.compile(
    r'\s{0,12}File \\?"(?P<file>[^"\n]{1,400}?)\\?", line (?P<line>\d{1,7})(?:, in (?P<function>[^\n(]{1,120}))?'
)
_IPYTHON = re.compile(
    r"File (?P<file>[~/.\w][^\s:]{0,300}|[A-Z]:[^\s:]{1,300}):(?P<line>\d{1,7}), in (?P<function>[\w.<>]{1,120})"
)
_OLD_IPYTHON = re.compile(
    r"(?P<file>[~/.]\S{1,300}\.pyx?|<ipython-input-[\w-]{1,80}>) in (?P<function>[\w.<>]{1,120})(?:\(|$)"
)
_CELL = re.compile(r"(?:Cell |Input )?In ?\[(?P<number>\d{0,5})\](?:, line (?P<line>\d{1,7})|, in )")
_ARROW = re.compile(r"-{2,6}> ?(?P<line>\d{1,7}) ")
_LIBRARY = re.compile(
    r"(?:^|[/\\])(?:site-packages|dist-packages|lib[/\\]python\d|Lib[/\\](?!site)|python\d(?:\.\d+)?\.zip)"
    r"|^<frozen |^<string>|^<decorator|^<__array|\.pyx$"
    r"|[/\\]ray[/\\]python[/\\]ray[/\\]|[/\\]python[/\\]ray[/\\]_|^python[/\\]ray[/\\]"
)
_OF_RAY = re.compile(
    r"(?:^|[/\\])ray[/\\](?:_private|serve|train|tune|data|rllib|util|air|dashboard|workers?|actor|remote|scripts|llm)\b"
)
# What runs in Ray's own processes, or in a driver before anything of a user is looked at.
_OF_RAY_ITSELF = re.compile(
    r"(?:site-packages|dist-packages|python)[/\\]ray[/\\]"
    r"(?:(?:new_)?dashboard[/\\]|autoscaler[/\\]|experimental[/\\](?:ui|state)\b"
    r"|(?:_private[/\\])?(?:log_monitor|monitor|serialization|memory_monitor)\b)"
)
_RAY_PACKAGE = re.compile(r"(?:site-packages|dist-packages|python)[/\\]ray[/\\]|^<frozen |[/\\]asyncio[/\\]")
_PACKAGE = re.compile(r"(?:site-packages|dist-packages)[/\\](?P<path>[^\n]{1,300}?)\.(?:pyx?|so)$")
_STANDARD = re.compile(r"lib[/\\]python[\d.]{1,6}[/\\](?P<path>[^\n]{1,200}?)\.py$")
_MOST_MESSAGE_CHARS = 300
_SHAPES = re.compile(
    r"(?i)\bshapes?\b|\bdimensions?\b|size mismatch|sizes? of tensors?\b|must match the size|cannot be multiplied"
    r"|could not be broadcast|\binput size\b|mat1 and mat2"
)
# By the end of the exception's class.
_KINDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("missing-key", ("KeyError", "ConfigAttributeError", "NoSuchKey")),
    ("missing-file", ("FileNotFoundError", "NotADirectoryError", "IsADirectoryError", "NoSuchFile")),
    ("permission", ("PermissionError", "AccessDenied", "PermissionDenied", "PermissionDeniedError", "Forbidden")),
    ("refused", ("ConnectionRefusedError", "ConnectionResetError", "ConnectionAbortedError")),
    ("timeout", ("Timeout", "TimeoutError", "TimedOut")),
    ("range", ("IndexError", "OverflowError", "RecursionError", "OutOfRangeError")),
    ("assertion", ("AssertionError",)),
    ("type", ("TypeError",)),
    ("attribute", ("AttributeError", "NameError", "UnboundLocalError")),
    ("value", ("ValueError", "ZeroDivisionError", "ValidationError", "JSONDecodeError", "UnicodeDecodeError")),
)
_ERRNO = {"2": "missing-file", "13": "permission", "1": "permission", "111": "refused", "110": "timeout"}
_NUMBERED = re.compile(r"\[Errno (\d{1,3})\]")


@dataclass(frozen=True, slots=True)
class Frame:
    """One place in a traceback. ``line`` and ``function`` are None where it does not tell."""

    file: str
    line: int | None
    function: str | None

    @property
    def is_library(self) -> bool:
        """Whether it is code of Ray, of Python or of an installed package."""
        return _LIBRARY.search(self.file) is not None or _OF_RAY.search(self.file) is not None


def is_of_ray_itself(frames: Sequence[Frame]) -> bool:
    """Whether all of them are Ray's own, from where Ray runs by itself: no program called it."""
    is_first = bool(frames) and _OF_RAY_ITSELF.search(frames[0].file) is not None
    return is_first and all(_RAY_PACKAGE.search(each.file) is not None for each in frames)


def is_frame(text: str) -> bool:
    """Whether a line without blanks before it belongs to the frames that a notebook shows."""
    return any(pattern.match(text) for pattern in (_IPYTHON, _OLD_IPYTHON, _CELL, _ARROW))


def read_frames(texts: Iterable[str]) -> list[Frame]:
    """The frames in these lines of one traceback, the outermost first."""
    frames: list[Frame] = []
    for text in texts:
        found = _PYTHON.match(text) or _IPYTHON.match(text) or _OLD_IPYTHON.match(text)
        if found is not None:
            line = found.groupdict().get("line")
            function = found["function"]
            frames.append(Frame(found["file"], int(line) if line else None, function.strip() if function else None))
            continue
        cell, arrow = _CELL.match(text), _ARROW.match(text)
        if cell is not None:
            frames.append(Frame(f"In [{cell['number']}]", int(cell["line"]) if cell["line"] else None, None))
        elif arrow is not None and frames and frames[-1].line is None:
            frames[-1] = Frame(frames[-1].file, int(arrow["line"]), frames[-1].function)
    return frames


def describe_error(exception: str, message: str, frames: Sequence[Frame]) -> ProgramError:
    """The exception with the innermost frame that is the user's own, and the call into a library after it."""
    own = next((place for place in range(len(frames) - 1, -1, -1) if not frames[place].is_library), None)
    mine = None if own is None else frames[own]
    after = frames if own is None else frames[own + 1 :]
    return ProgramError(
        exception,
        redact(message)[:_MOST_MESSAGE_CHARS],
        None if mine is None else redact(mine.file),
        None if mine is None else mine.line,
        None if mine is None else mine.function,
        _find_call(after),
        choose_kind(exception, message),
    )


def choose_kind(exception: str, message: str) -> str:
    """What sort of mistake an exception tells of, without a guess: its class, its number, or that it is of shapes."""
    numbered = _NUMBERED.search(message)
    if numbered is not None and numbered[1] in _ERRNO:
        return _ERRNO[numbered[1]]
    kind = next((kind for kind, names in _KINDS if exception.rpartition(".")[2].endswith(names)), "other")
    is_open = kind in ("value", "other", "assertion") and not exception.endswith("JSONDecodeError")
    return "shape" if is_open and _SHAPES.search(message) else kind


def _find_call(frames: Sequence[Frame]) -> str | None:
    """The library function that was called from the user's own code, by its module; None where it is not told."""
    for frame in frames:
        package = _PACKAGE.search(frame.file) or _STANDARD.search(frame.file)
        if package is None or frame.function is None:
            continue
        path = package["path"].replace("\\", "/").removesuffix("/__init__")
        name = path.replace("/", ".")
        return name if frame.function == "<module>" else f"{name}.{frame.function}"
    return None
