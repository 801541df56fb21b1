"""Regular expressions that are searched in lines that somebody else wrote: RE2's, whose time is bounded by the line.

``re`` tries again in other ways when a match fails, which a pattern of ten characters can make last for ever. RE2
(``google-re2``) follows all ways at once: a line costs its length times the size of the pattern. What cannot be done
so, it refuses: look-around, references back, atomic groups. Pure, and the one place that knows that library.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import re2

MOST_CHARS = 500
# Of one pattern, program and cached states together, so 600 MB at the very most for 300 signatures of two patterns. A
# program that needs more is refused when it is compiled; states that need more are made anew, in bounded time.
_MOST_MEMORY_BYTES = 1_048_576
# More than the built-in signatures and the most of a team's own have together.
_MOST_COMPILED = 2_000
# Python reads it as "at most nine", RE2 as these four characters. What else RE2 reads otherwise than Python it refuses,
# but for `[[:digit:]]` and that `\w`, `\d`, `\s`, `\b` mean ASCII: a signature's own examples show whether it matters.
# Escaped characters and sets are passed over: there it is nothing but these characters to both.
_NO_LEAST = re.compile(r"\\.|\[\^?\]?(?:\\.|\[:\w+:\]|[^\]\\])*\]|(?P<found>\{,[0-9]*\})", re.DOTALL)
_LOOKS_AROUND = re.compile(r"\(\?<?[=!]")
# What to write instead of what RE2 names in its refusal.
_REWRITES = (
    (re.compile(r"escape sequence: \\[uU]"), r"write `\x{20AC}`, or the character itself, instead of `\u20ac`"),
    (re.compile(r"escape sequence: \\Z"), r"write `\z` instead of `\Z`"),
    (re.compile(r"perl operator: \(\?[a-z]*x"), "write it without the spaces and comments that `(?x)` allows"),
    (re.compile(r"repetition size"), "RE2 repeats at most 1000 times"),
)


class PatternError(ValueError):
    """A text is no regular expression that RE2 can search for; the sentence tells why, and what to write instead."""


class LinearPattern:
    """A compiled regular expression. Immutable; used by many threads."""

    __slots__ = ("_search",)

    def __init__(self, compiled: Any) -> None:
        self._search = compiled.search

    def is_in(self, line: str) -> bool:
        """Whether it is found anywhere in the line. In bytes, because RE2 would else count characters for offsets."""
        return self._search(line.encode("utf-8", "replace")) is not None


@lru_cache(maxsize=_MOST_COMPILED)
def compile_pattern(pattern: str) -> LinearPattern:
    """The pattern, ready to be searched for; raises ``PatternError``."""
    if len(pattern) > MOST_CHARS:
        raise PatternError(f"the pattern has {len(pattern)} characters; {MOST_CHARS} are allowed")
    if any(each["found"] for each in _NO_LEAST.finditer(pattern)):
        raise PatternError("the pattern repeats without a least number; write `{0,9}` instead of `{,9}`")
    try:
        return LinearPattern(re2.compile(pattern.encode(), _build_options()))
    except UnicodeEncodeError as error:
        raise PatternError("the pattern has half a character in it (a surrogate)") from error
    except re2.error as error:
        reason = _describe_reason(error)
        raise PatternError(
            f"the pattern {pattern!r} cannot be compiled: {reason}{_suggest_rewrite(pattern, reason)}"
        ) from error


def _build_options() -> Any:
    options = re2.Options()
    options.max_mem = _MOST_MEMORY_BYTES
    # Else RE2 writes each refusal, and each time its states are made anew, to standard error.
    options.log_errors = False
    # Where a group lies is never asked, and finding it out costs.
    options.never_capture = True
    return options


def _describe_reason(error: Exception) -> str:
    reason = error.args[0] if error.args else ""
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)


def _suggest_rewrite(pattern: str, reason: str) -> str:
    if _LOOKS_AROUND.search(pattern):
        return "; RE2 does not look around: write what must not be in the line as `unless:`"
    return next((f"; {hint}" for named, hint in _REWRITES if named.search(reason)), "")
