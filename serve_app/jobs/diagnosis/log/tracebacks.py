"""Python tracebacks as they are found in logs: chained, in groups, nested by Ray, cut off, in one line, interleaved.

The exceptions of one traceback are put in the order of cause: the innermost first. Pure.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from serve_app.jobs.diagnosis.log.frames import Frame, is_frame, read_frames
from serve_app.jobs.diagnosis.log.lines import LogLine

HEAD = "Traceback (most recent call last)"
# A traceback is read no further than this; deep recursion repeats itself.
MOST_LINES = 600
_MOST_FOREIGN = 300
_MOST_MESSAGE_LINES = 25
_MOST_EXCEPTIONS = 40
# Lines of frames that are kept of one exception, the last of them.
_MOST_PLACES = 240

_DURING = "During handling of the above exception"
_CAUSED = "The above exception was the direct cause"
_MARGIN = re.compile(r"\s{0,80}[|+] ?")
_SEPARATOR = re.compile(r"\s{0,80}\+-[-+]{4,80}(?P<member> (?:\d{1,4}|\.\.\.) -+)?\s*$")
# In Ray 0.7 and before without `ray::`.
_RAY_HEAD = re.compile(r"\bray::[\w.:<>]{1,300}(?:\(\))?|RayTaskError(?:\(\w{1,100}\))?: \S{1,200} \(pid=\d")
_CONSTRUCTOR = re.compile(r"\bray::[\w.:<>]{1,300}\.__init__(?:\(\)|\b)")
_EXCEPTION = re.compile(r"(?P<type>[^\W\d][\w.]{0,200}?)(?P<cause>\([\w.]{1,100}\))?(?::(?: (?P<message>.*))?)?$")
# Away from a traceback, only names that can be nothing else.
_NAMED = re.compile(
    r"(?P<type>ray\.exceptions\.[A-Z]\w{1,80}|(?:[a-z_][\w]{0,60}\.){0,8}[A-Z]\w{0,80}(?:Error|Exception|Interrupt|SystemExit|Failure|Timeout|Died|NotFound|Full|Exit|Invalid))"
    r"(?P<cause>\([\w.]{1,100}\))?(?::(?: (?P<message>.*))?)?$"
)
# Where a logger, or an assertion of pytest, says that it was raised.
_PLACE = re.compile(r"(?:\S{1,200}\.py:\d{1,6}:? ?|\[(?:ERROR|CRITICAL|error)\]:? |(?:ERROR|CRITICAL|E) ?:? )")
_IN_ONE_LINE = re.compile(
    r"(?P<type>\b(?:[a-z_][\w]{0,60}\.){0,8}[A-Z]\w{0,80}(?:Error|Exception|Interrupt|Exit))"
    r"(?:\([\w.]{1,100}\))?: (?P<message>\S.*)$"
)
# The head of IPython names the exception before it is told.
_NAMED_HEAD = re.compile(
    r"(?P<type>(?:[A-Za-z_]\w{0,60}\.){0,8}[A-Z]\w{0,80}(?:Error|Exception|Interrupt|Invalid|Exit|Timeout|NotFound))"
    r"(?P<cause>\(\w{1,100}\))? {2,}$"
)
# The last line of code of frames, where the exception's own line is cut off.
_RAISES = re.compile(
    r"\s{2,80}(?:(?P<assert>assert)\b|raise (?P<type>(?:\w{1,60}\.){0,4}[A-Z]\w{1,80})(?:\(|$| from ))"
)
_CUT_NAME = re.compile(r"[\w.]{0,100}[A-Z]\w{0,80}(?:Er|Err|Erro|Excep|Except|Excepti|Exceptio)$")
# Of a task that nobody asked for, Ray tells when the driver has ended (``worker.py``).
_TOLD_LATER = re.compile(r"Unhandled error \(suppress with|Possible unhandled error from worker")
_WRAPPERS = ("RayTaskError", "ray.exceptions.RayTaskError", "ExceptionGroup", "BaseExceptionGroup")


@dataclass(frozen=True, slots=True)
class Raised:
    """One exception: its line number, its line, and how it stands to the one that it led to."""

    line: int
    text: str
    type: str
    in_ray: bool = False  # raised in a task or an actor
    in_constructor: bool = False  # in the constructor of an actor
    frames: tuple[Frame, ...] = ()  # where it was raised, the outermost first
    is_cut: bool = False  # its own line is not there: only that it was raised

    @property
    def is_wrapper(self) -> bool:
        """Whether it only carries another exception."""
        return self.type in _WRAPPERS


@dataclass(frozen=True, slots=True)
class Traceback:
    """``raised``: innermost first; empty when the log ends, or goes on, before the exception."""

    stream: str
    begin: int
    end: int
    raised: tuple[Raised, ...]
    indent: int = 0


def read_traceback(lines: Iterable[tuple[int, LogLine]]) -> Traceback:
    """The traceback whose first line is the first of ``lines`` (number and line), which has ``HEAD`` in it."""
    numbered = iter(lines)
    number, first = next(numbered)
    if _is_flat(first.text):
        return _read_flat(number, first)
    return _Reader(number, first).read(numbered)


def read_loose_exception(number: int, line: LogLine) -> Traceback | None:
    """An exception's line that stands without its traceback, as at the end of a cut log; None when it is not one."""
    text = _PLACE.sub("", line.text.strip(), count=1)
    found = _NAMED.match(text)
    if found is None or (found.group("message") is None and found.group("cause") is None and ":" in line.text):
        return None
    raised = Raised(number, text, found.group("type"))
    return Traceback(line.stream, number, number, (raised,))


def add_frames(loose: Traceback, above: Iterable[str]) -> Traceback:
    """An exception without its traceback's first line, with what the frames above it (nearest first) tell: that it was
    raised in a task or an actor.
    """
    inner, places = loose.raised[0], list[str]()
    for text in above:
        header = _RAY_HEAD.search(text)
        if header is not None and not _is_code(text):
            inner = replace(inner, in_ray=True, in_constructor=_CONSTRUCTOR.search(text) is not None)
            break
        if text.strip() and not text.startswith("  ") and not is_frame(text):
            break
        places.append(text)
    inner = replace(inner, frames=tuple(read_frames(reversed(places))))
    return replace(loose, raised=(inner, *loose.raised[1:]))


def read_cut_exception(lines: Sequence[tuple[int, LogLine]]) -> Traceback | None:
    """What these last lines of a log raise, when they end within frames, at a line of code that raises."""
    number, last = lines[-1]
    found = _RAISES.match(last.text)
    if found is None:
        return None
    own = [(at, line.text) for at, line in lines if line.stream == last.stream]
    frames = tuple(read_frames(text for _, text in own))
    if not frames:
        return None
    raised = Raised(number, last.text.strip(), found["type"] or "AssertionError", frames=frames, is_cut=True)
    return Traceback(last.stream, own[0][0], number, (raised,))


class _Reader:
    """Reads one traceback line by line; ``_raised`` is in the order of the text."""

    def __init__(self, number: int, first: LogLine) -> None:
        self._stream = first.stream
        self._lead = first.text[: first.text.index(HEAD)]
        self._indent = len(self._lead) - len(self._lead.lstrip())
        self._begin = self._end = number
        self._raised: list[tuple[Raised, str]] = []
        self._link = ""
        self._in_ray = self._in_constructor = False
        self._in_frames = True
        self._places: deque[str] = deque(maxlen=_MOST_PLACES)
        self._group = "Group" in self._lead or self._lead.lstrip().startswith(("|", "+"))

    def read(self, lines: Iterator[tuple[int, LogLine]]) -> Traceback:
        foreign = after = 0
        for number, line in lines:
            if number - self._begin > MOST_LINES or len(self._raised) >= _MOST_EXCEPTIONS or foreign > _MOST_FOREIGN:
                break
            if line.stream != self._stream:
                foreign += 1
                continue
            text = self._strip_lead(line.text)
            is_new = HEAD in text or _TOLD_LATER.search(text) is not None
            if is_new and self._raised and not self._link and not self._group:
                break
            if self._goes_on(number, text):
                self._end, after = number, 0
                continue
            after += 1
            # What follows an exception is its message, or the program's next words, until a link shows which.
            if self._in_frames or after > _MOST_MESSAGE_LINES:
                break
        raised = self._sort_raised() or self._read_cut()
        return Traceback(self._stream, self._begin, self._end, raised, self._indent)

    def _read_cut(self) -> tuple[Raised, ...]:
        """The exception whose own line is not there, by its head or by the last line of code."""
        head = _NAMED_HEAD.match(self._lead.lstrip())
        code = _RAISES.match(self._places[-1]) if self._places else None
        if head is None and code is None:
            return ()
        named = head["type"] if head is not None else code["type"] or "AssertionError" if code is not None else ""
        line, text = (self._begin, self._lead.strip()) if code is None else (self._end, self._places[-1].strip())
        frames = tuple(read_frames(self._places))
        return (Raised(line, text, named, self._in_ray, self._in_constructor, frames, is_cut=True),)

    def _strip_lead(self, text: str) -> str:
        lead = self._lead
        if self._group:
            return self._strip_margin(text)
        if self._indent and text[: self._indent].isspace():
            text, lead = text[self._indent :], lead[self._indent :]
        if lead.strip() and _mask_digits(text[: len(lead)]) == _mask_digits(lead):
            return text[len(lead) :]
        return text

    def _strip_margin(self, text: str) -> str:
        separator = _SEPARATOR.match(text)
        if separator is not None:
            self._in_frames = separator["member"] is not None
            return ""
        margin = _MARGIN.match(text)
        if margin is None:
            self._group = self._in_frames = False
            return text
        return text[margin.end() :]

    def _goes_on(self, number: int, text: str) -> bool:
        if HEAD in text:
            self._begin_frames()
            return True
        if _DURING in text or _CAUSED in text:
            self._link = "during" if _DURING in text else "caused"
            self._begin_frames()
            return True
        header = _RAY_HEAD.search(text)
        if header is not None and not _is_code(text):
            return self._enter_ray(number, text)
        if self._in_frames or self._group:
            return self._take_frame(text) or self._raise(number, text)
        return bool(text[:1].isspace() and text.strip())

    def _begin_frames(self) -> None:
        self._in_frames = True
        self._places.clear()

    def _take_frame(self, text: str) -> bool:
        is_part = not text.strip() or text[:1].isspace() or is_frame(text)
        if is_part and text.strip():
            self._places.append(text)
        return is_part

    def _enter_ray(self, number: int, text: str) -> bool:
        self._raise(number, text)
        self._in_ray = True
        self._in_constructor = _CONSTRUCTOR.search(text) is not None
        self._begin_frames()
        self._link = self._link or "nested"
        return True

    def _raise(self, number: int, text: str) -> bool:
        found = _EXCEPTION.match(text.strip()) if self._in_frames else _NAMED.match(text.strip())
        if found is None or text.lstrip().startswith("ray::"):
            return False
        if found["message"] is None and _CUT_NAME.match(text.strip()):
            return False
        frames = tuple(read_frames(self._places))
        raised = Raised(number, text.strip(), found.group("type"), self._in_ray, self._in_constructor, frames)
        self._raised.append((raised, self._link))
        self._link, self._in_frames = "", False
        return True

    def _sort_raised(self) -> tuple[Raised, ...]:
        ordered: list[Raised] = []
        members = 0
        for raised, link in self._raised:
            # What Ray nests is written after what carries it, and the members of a group after the group.
            if link == "nested":
                ordered.insert(0, raised)
            elif ordered and not link:
                ordered.insert(members, raised)
                members += 1
            else:
                ordered.append(raised)
        return tuple(ordered)


def _is_flat(text: str) -> bool:
    after = text[text.index(HEAD) + len(HEAD) :]
    return 'File "' in after or 'File \\"' in after


def _read_flat(number: int, line: LogLine) -> Traceback:
    """A traceback that lost its line ends, or has them escaped, as in JSON."""
    text = line.text[line.text.index(HEAD) :].replace("\\n", "\n").replace('\\"', '"')
    raised = []
    for part in text.split(HEAD)[1:]:
        last = part[part.rfind('File "') :] if 'File "' in part else part
        found = _IN_ONE_LINE.search(last.replace("\n", " "))
        if found is not None:
            in_ray = _RAY_HEAD.search(part) is not None
            frames = tuple(read_frames(part.replace('File "', '\n  File "').split("\n")))
            raised.append(Raised(number, found.group().strip(), found.group("type"), in_ray, frames=frames))
    return Traceback(line.stream, number, number, tuple(raised))


def _is_code(text: str) -> bool:
    return text[:4].isspace() and not text.lstrip(" \t'\"").startswith("ray::")


def _mask_digits(text: str) -> str:
    return re.sub(r"\d", "0", text)
