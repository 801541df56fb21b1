"""The one redactor: secrets out of texts that people and programs will see, control characters out of terminals.

It keeps what makes a command line readable and replaces the secret's value. A value is judged by its name
(``API_KEY=``, ``--token``, ``"password":``) or by its own shape (bearer tokens, URL passwords, cloud keys, private
keys). Nothing that looks at text finds every secret: what needs no showing, as ``runtime_env``, is not shown at all.

Repetitions in the patterns are bounded or disjoint, so the time is linear in the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

REDACTED = "[redacted]"
MAX_CHARS = 20_000
# Read beyond the limit, so that a secret across it is seen whole before the text is cut.
_OVERLAP_CHARS = 5_000
# What one pass replaces may uncover what was joined to it; nearly all texts need one pass, or two.
_MOST_PASSES = 5

_SECRET_NAME = re.compile(
    r"pass(?:wd|word|phrase|code)|pwd|secret|token|credential|authorization|cookie|signature|dsn|session[-_.]?id"
    r"|(?:api|access|private|account|encryption|signing|master|shared|storage|auth|licen[cs]e)[-_.]?key"
    r"|(?:^|[-_.])(?:auth|pass)$",
    re.IGNORECASE,
)
# Names that hold one of the words above and are no secret.
_HARMLESS_NAME = re.compile(
    r"^(?:old)?pwd$|tokeniz|^(?:[a-z]+[-_.])*tokens$|tokens?[-_.]?(?:count|limit|type|ids?)$|^(?:max|min|num|n)[-_.].*tokens?$",
    re.IGNORECASE,
)

_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:(?!-----)[\s\S]){0,20000}"
    r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?"
)
_HEADER = re.compile(
    r"""(?<![A-Za-z0-9_.\-])((?:proxy-)?authorization|(?:set-)?cookie)"""
    r"""((?:\\?["'])?[ \t]{0,4}[:=][ \t]{0,4}(?:\\?["'])?)(?:[^\n"'\\]|\\[^\n"'])+""",
    re.IGNORECASE,
)
_BEARER = re.compile(r"\b(Bearer[ \t]{1,4})(?!tokens?\b|auth)[^\s\"'\\,;\[][^\s\"'\\,;]*", re.IGNORECASE)
_SCHEME = re.compile(
    r"\b((?:Basic|Token|ApiKey)[ \t]{1,4})(?=[^\s\d]{0,40}\d|\S{20})[A-Za-z0-9+/=_.~\-]{6,}", re.IGNORECASE
)
_SCHEME_OF_URL = r"(\b[A-Za-z][A-Za-z0-9+.\-]{0,30}://)"
_USERINFO = re.compile(_SCHEME_OF_URL + r"[^\s/?#@:'\"]{0,256}:(?!\d{1,5}(?:[/?#\s]|$))[^\s'\"]{1,1024}@")
_TOKEN_AS_USER = re.compile(_SCHEME_OF_URL + r"(?!\[redacted\]@)[^\s/?#@:'\"]{16,1024}@")
_SHAPES = re.compile(
    r"\b(?:A[SK]IA[A-Z0-9]{16}|AIza[A-Za-z0-9_\-]{35}|gh[pousr]_[A-Za-z0-9]{20,255}|github_pat_[A-Za-z0-9_]{20,255}"
    r"|glpat-[A-Za-z0-9_\-]{20,255}|xox[abprs]-[A-Za-z0-9\-]{10,255}|sk-[A-Za-z0-9_\-]{16,255}|hf_[A-Za-z0-9]{20,255}"
    r"|eyJ[A-Za-z0-9_\-]{8,2000}\.[A-Za-z0-9_\-]{4,4000}(?:\.[A-Za-z0-9_\-]{0,1000})?)"
)
_WORD = r"(?<![A-Za-z0-9_.\-])-{0,2}([A-Za-z0-9_][A-Za-z0-9_.\-]{0,63})"
_QUOTED = r"""\\"[^"\\\n]{0,4000}\\"|"(?:[^"\\\n]|\\.){0,4000}"|'(?:[^'\\\n]|\\.){0,4000}'"""
# A value in quotes and what the shell would join to it, or up to the end of the word, or a quote that never closes.
_VALUE = re.compile(
    rf"""(?:{_QUOTED})(?:{_QUOTED}|[^\s;&|,)}}\]"':\\])*|[^\s;&|"'](?:[^\s;&|"']|{_QUOTED}|["'])*|\\?["'][^\n]+"""
)
_PAIR = re.compile(rf"""{_WORD}\\?["']?\]?[ \t]{{0,4}}(?:=>|:=|={{1,3}}|:)[ \t]{{0,4}}""")
_FLAG = re.compile(rf"(?=-){_WORD}[ \t]{{1,4}}(?!-)")
_AFTER_VALUE = ")]},'\"\\"

_ANSI = re.compile(
    r"\x1b(?:\[[0-?]{0,64}[ -/]{0,8}[@-~]|\][^\x07\x1b]{0,2000}(?:\x07|\x1b\\)|[PX^_][^\x1b]{0,2000}\x1b\\|[@-Z\\-_])"
)
# Also the characters that turn the direction of writing, with which a text shows something else than it says.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def redact(text: str) -> str:
    """The text without secrets and without control characters, at most ``MAX_CHARS`` characters of it."""
    text = strip_controls(text[: MAX_CHARS + _OVERLAP_CHARS])
    for _ in range(_MOST_PASSES):
        before, text = text, _redact_once(text)[:MAX_CHARS]
        if text == before:
            break
    return text


def redact_mapping(mapping: Mapping[str, str]) -> dict[str, str]:
    """Values of secret names replaced, all others redacted as texts."""
    return {redact(name): REDACTED if is_secret_name(name) else redact(value) for name, value in mapping.items()}


def is_secret_name(name: str) -> bool:
    """Whether a variable, flag or key of this name usually holds a secret."""
    return bool(_SECRET_NAME.search(name)) and not _HARMLESS_NAME.search(name)


def strip_controls(text: str) -> str:
    """The text without escape sequences and control characters; tabs and line ends stay."""
    return _CONTROL.sub("", _ANSI.sub("", text.replace("\r\n", "\n")))


def _redact_once(text: str) -> str:
    text = _PRIVATE_KEY.sub(REDACTED, text)
    text = _HEADER.sub(rf"\1\2{REDACTED}", text)
    text = _BEARER.sub(rf"\1{REDACTED}", text)
    text = _SCHEME.sub(rf"\1{REDACTED}", text)
    text = _USERINFO.sub(rf"\1{REDACTED}@", text)
    text = _TOKEN_AS_USER.sub(rf"\1{REDACTED}@", text)
    text = _SHAPES.sub(REDACTED, text)
    return _mask_values(_mask_values(text, _PAIR), _FLAG)


def _mask_values(text: str, named: re.Pattern[str]) -> str:
    """Replace what follows a secret name. Other values are not skipped: `env: TOKEN=x` holds a pair within a pair."""
    parts, done = [], 0
    found = named.search(text)
    while found is not None:
        look_from = found.end()
        value = _VALUE.match(text, look_from) if is_secret_name(found.group(1)) else None
        if value is not None:
            parts += [text[done:look_from], _mask_value(value.group())]
            done = look_from = value.end()
        found = named.search(text, look_from)
    return "".join([*parts, text[done:]])


def _mask_value(value: str) -> str:
    quote = re.match(r"""\\?["']""", value)
    if quote is not None:
        return f"{quote.group()}{REDACTED}{quote.group()}"
    core = value.rstrip(_AFTER_VALUE)
    # Brackets and quotes after a value stay, so what was redacted before must be known again.
    return value if f"{core}]" == REDACTED else f"{REDACTED}{value[len(core) :]}"
