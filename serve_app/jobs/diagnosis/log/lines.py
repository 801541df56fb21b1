"""One line of a log as its writer meant it: without colours, carriage returns and what others put before it.

Lines are looked up in a block of bytes around a place that was found there, so a line of many megabytes costs no more
than its surroundings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from serve_app.redaction import redact

# How much of a line around a place is looked at, to each side.
REACH_BYTES = 1_024
MOST_QUOTE_CHARS = 400
# Of a line that colours cut into parts, the one where something was found is shown when it says enough.
_TELLING_CHARS = 12

# Colours and cursor movements; a lost escape byte before them is common in what people copy.
_ANSI = re.compile(
    r"\x1b(?:\[[0-?]{0,64}[ -/]{0,8}[@-~]|\][^\x07\x1b]{0,2000}(?:\x07|\x1b\\)|[@-Z\\^_-])|\[\d{1,2}(?:;\d{1,3}){0,4}m"
)
_BREAKS = re.compile(_ANSI.pattern + "|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# `(f pid=12, ip=10.0.0.1) `, `(raylet) `, `(autoscaler +3s) `: what Ray writes before the words of other processes.
_RAY_PREFIX = re.compile(
    r"\s{0,8}\((?:(?:[^()\n]|\((?:[^()\n]|\([^()\n]{0,80}\)){0,120}\)){0,200}?\bpid=\d+[^()\n]{0,200}|raylet|gcs_server|autoscaler|scheduler|dashboard)"
    r"(?:[, +][^()\n]{0,80})?\) ?"
)
# What containers, supervisors and loggers write before each line, also before each line of a traceback.
_STAMP = r"\[?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?\]?"
_OUTER_PREFIX = re.compile(
    rf"(?:{_STAMP} (?:stdout|stderr) [FP] )"
    rf"|(?:[A-Za-z0-9_.-]{{1,80}}\s{{1,20}}\| )"
    r"|(?:\[rank\d{1,5}\]: ?)"
    r"|(?:\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z\] )"
    rf"|(?:(?:ERROR|WARNING|INFO|CRITICAL|DEBUG) \d\d-\d\d \d\d:\d\d:\d\d \[?[\w./-]{{1,80}}:\d{{1,6}}\] ?)"
    rf"|(?:\[(?:pod/)?[a-z0-9][a-z0-9./-]{{0,120}}\] (?=\S))"
)
_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,6}))?")
_MOST_PREFIXES = 4


@dataclass(frozen=True, slots=True)
class LogLine:
    """``text``: what the program wrote; ``stream``: the prefix that tells which process, empty for the log's own."""

    text: str
    stream: str


def find_bounds(block: bytes, at: int, reach_bytes: int = REACH_BYTES) -> tuple[int, int]:
    """Begin and end of the line that holds the byte ``at``, or of what of it is within reach after it."""
    low = max(0, at - REACH_BYTES)
    begin = max(block.rfind(b"\n", low, at), block.rfind(b"\r", low, at)) + 1 or low
    high = min(len(block), at + reach_bytes)
    end = _find_first_end(block, at, high)
    return begin, end


def parse_line(raw: bytes) -> LogLine:
    """The line in ``raw``, which has no line end in it."""
    return split_prefix(strip_controls(raw.decode("utf-8", "replace")))


def strip_controls(text: str) -> str:
    """The text without colours and control characters."""
    if "\x1b" in text or ("m" in text and "[" in text):
        text = _ANSI.sub("", text)
    return _CONTROL.sub("", text)


def split_prefix(text: str) -> LogLine:
    """The line without what other programs wrote before it."""
    stream = ""
    for _ in range(_MOST_PREFIXES):
        ray = _RAY_PREFIX.match(text)
        found = ray or _OUTER_PREFIX.match(text)
        if found is None:
            break
        if ray is not None:
            stream += found.group().strip()
        text = text[found.end() :]
    return LogLine(text, stream)


def quote_part(raw: bytes, at: int) -> str:
    """The part of a line that is shown as evidence for what was found at byte ``at``: as it stands in the source, but
    for secrets, so without what lies before and after a colour.
    """
    text = raw.decode("utf-8", "replace").strip("\ufffd")
    at = len(raw[:at].decode("utf-8", "replace"))
    shown = split_prefix(strip_controls(text)).text.strip()
    if shown not in text:
        here = _select_part(text, at)
        shown = here if len(here) >= _TELLING_CHARS else max(here, _select_part(text, 0, longest=True), key=len)
    # Redacted before it is cut: half a secret is not known as one.
    return _cut(redact(shown), max(0, at - text.find(shown))).strip()


def find_time(text: str) -> str | None:
    """When the line says that it was written, in a form that sorts; None when it does not say."""
    found = _TIME.search(text, 0, 200)
    return None if found is None else ".".join(each or "0" for each in found.groups())


def _select_part(text: str, at: int, *, longest: bool = False) -> str:
    """The part without colours and control characters that is at this place, or the longest one."""
    parts, place, here = [], 0, ""
    for part in _BREAKS.split(text):
        parts.append(part)
        found = text.find(part, place)
        if found <= at <= found + len(part):
            here = part
        place = found + len(part)
    return (max(parts, key=len) if longest else here).strip()


def _cut(shown: str, at: int) -> str:
    """At most so much as is shown, with what was found in it."""
    if len(shown) <= MOST_QUOTE_CHARS:
        return shown
    low = max(0, min(at - MOST_QUOTE_CHARS // 4, len(shown) - MOST_QUOTE_CHARS))
    return shown[low : low + MOST_QUOTE_CHARS]


def _find_first_end(block: bytes, at: int, high: int) -> int:
    end = block.find(b"\n", at, high)
    end = high if end < 0 else end
    carriage = block.find(b"\r", at, end)
    return end if carriage < 0 else carriage
