"""The one redactor: secrets out of texts that people and programs will see, control characters out of terminals.

It keeps what makes a command line readable and replaces the secret's value. A value is judged by its name
(``API_KEY=``, ``--token``, ``"password":``) or by its own shape (bearer tokens, URL passwords, cloud keys, private
keys). Nothing that looks at text finds every secret: what needs no showing, as ``runtime_env``, is not shown at all,
and what is known to be of a job's environment (``list_secret_values``) is replaced wherever that job's text repeats it.

Repetitions in the patterns are bounded or disjoint, so the time is linear in the length of the text.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast

from serve_app.hidden.held import hide_held
from serve_app.hidden.matcher import REDACTED as REDACTED
from serve_app.hidden.matcher import ValueMatcher, get_matcher, list_written_forms
from serve_app.hidden.token_form import TOKEN_PATTERN

T = TypeVar("T")

HEADLESS = "[the end of a long line, whose beginning was not read]"
MAX_CHARS = 20_000
# Read beyond the limit, so that a secret across it is seen whole before the text is cut.
_OVERLAP_CHARS = 5_000
# What one pass replaces may uncover what was joined to it; nearly all texts need one pass, or two.
_MOST_PASSES = 5

_SECRET_NAME = re.compile(
    r"pass(?:wd|word|phrase|code)|pwd|secret|token|credential|authorization|cookie|signature|dsn|session[-_.]?id"
    # Ours: the key of events, the address that ends with it, the database with its password.
    r"|events[-_.]?(?:key|export[-_.]?addr)|seedcore[-_.]database[-_.]url"
    r"|(?:api|access|private|account|encryption|signing|master|shared|storage|auth|licen[cs]e)[-_.]?key"
    r"|(?:^|[-_.])(?:auth|pass|pw)$",
    re.IGNORECASE,
)
# The working directory, which every shell tells, or the password of a connection string: its value says which.
_DIRECTORY_NAME = re.compile(r"(?:old)?pwd", re.IGNORECASE)
_DIRECTORY = re.compile(r"""\\?["']?(?:[/~.$]|[A-Za-z]:[\\/]|$)|[\w.]{1,64}\(""")
# Names that hold one of the words above and are no secret.
_HARMLESS_NAME = re.compile(
    r"^(?:old)?pwd$|tokeniz|^(?:[a-z]+[-_.])*tokens$|tokens?[-_.]?(?:count|limit|type|ids?)$|^(?:max|min|num|n)[-_.].*tokens?$"
    # Where it is kept.
    r"|[-_.](?:file|path)$"
    # A class, as a traceback tells it before its sentence: `InvalidTokenError: …`.
    r"|(?-i:^(?:\w{1,64}\.){0,8}[A-Z][a-z]\w{0,64}(?:Error|Exception|Warning|Invalid|WithoutTokens)$)",
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
_URL_USER = re.compile(_SCHEME_OF_URL + r"[^\s/?#@:'\"]{0,256}:(?!\d{1,5}(?:[/?#\s]|$))")
_END_OF_URL = re.compile(r"[\s'\"]")
_MOST_PASSWORD_CHARS = 1_024
_URL_PASSWORD = re.compile(r"://[^\s/?#@:'\"]{0,256}:([^\s'\"]{1,1024})@")
_PLAIN_USERINFO = re.compile(
    r"(?<![\w/.:@\-\]])(?!(?:e-?mail|mailto|to|from|b?cc|contact|author):)([A-Za-z_][\w.\-]{0,63}:)(?!\d{1,5}@)"
    r"[^\s:@/'\"\[\],;<>()=]{3,256}(?=@(?!sha\d)[A-Za-z\d])",
    re.IGNORECASE,
)
# ``-pX``, as clients of databases take a password; of other programs only what is neither a word nor a number.
_SHORT_FLAG = re.compile(r"""(?<![^\s"'])(-p)(?![-=:\s])([^\s;&|"']{3,256})""")
_WITH_SHORT_FLAG = re.compile(r"\b(?:mysql|mariadb|sshpass|mongo|mycli)", re.IGNORECASE)
_LIKE_A_PASSWORD = re.compile(r"(?=.{0,256}[A-Za-z])(?=.{0,256}\d)(?!\d+(?::\d+)?/(?:tcp|udp)$)[^=]{6,}$")
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
_QUOTE = re.compile(r"""\\?(["'])""")
_AFTER_QUOTES = " \t\n,;:)]}"

_ANSI = re.compile(
    r"\x1b(?:\[[0-?]{0,64}[ -/]{0,8}[@-~]|\][^\x07\x1b]{0,2000}(?:\x07|\x1b\\)|[PX^_][^\x1b]{0,2000}\x1b\\|[@-Z\\-_])"
)
# Of a job's environment: what tells nothing, and what everybody may know. Shorter ones stand in too many texts.
_MIN_SECRET_CHARS, _MIN_VALUE_CHARS, _MOST_VALUES, _MOST_VALUE_CHARS = 4, 6, 200, 20_000
# By the first and last line of a key others are known.
_RULER = "-----"
_TRIVIAL = frozenset(("true", "false", "none", "null", "auto", "default", "disabled", "enabled", "redacted"))
_PUBLIC_NAME = re.compile(
    r"(?:PATH|HOME|SHELL|USER|LOGNAME|HOSTNAME|LANG|LANGUAGE|LC_\w+|TZ|TERM|TMPDIR)"
    r"|(?:PYTHON|LD|CUDA|NVIDIA|NCCL|GLOO|OMP|MKL|OPENBLAS|NUMEXPR|TORCH|PYTORCH|JAX|XLA|TF|RAY|PIP|UV|CONDA)_?\w*"
    r"|\w+_(?:DIR|PATH|HOME|LEVEL|PARALLELISM|THREADS)"
)
_PATH = r"(?:~|\.{1,2})?/[\w.+~@=, /-]*"
_PUBLIC_VALUE = re.compile(
    # Numbers, dates, times, versions; words; regions; paths; places in stores of objects; modules.
    rf"[\d\s.,:/TZ+_-]*|[A-Za-z]+(?:[-_. ][A-Za-z]+)*|[a-z]{{2}}(?:-[a-z]+)+-?\d[a-z]?|{_PATH}(?::{_PATH})*"
    r"|(?:s3|s3a|s3n|gs|gcs|abfss?|wasbs?|az|hdfs|dbfs|file)://[^\s?@:]*"
)

# Also the characters that turn the direction of writing, with which a text shows something else than it says.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def redact(text: str, values: Sequence[str] = ()) -> str:
    """The text without secrets and without control characters, at most ``MAX_CHARS`` characters of it.

    ``values`` are known to be secret (``list_secret_values``), whatever their shape.
    """
    text = strip_controls(hide_values(text, values)[: MAX_CHARS + _OVERLAP_CHARS])
    # Once more for what a control character had parted.
    return _redact_until_stable(hide_values(text, values), MAX_CHARS)


def redact_end(text: str, values: Sequence[str] = ()) -> str:
    """The same of the end of a text, where its end is what matters: at most its last ``MAX_CHARS`` characters.

    A line whose beginning does not fit is not shown: what would name a secret in it may be in the part that is missing.
    """
    text = hide_values(text, values)
    if len(text) <= MAX_CHARS:
        return redact(text, values)
    _, line_end, whole = text[-MAX_CHARS:].partition("\n")
    shown = hide_values(strip_controls(f"{HEADLESS}{line_end}{whole}"), values)
    # What stands for a secret may be longer than it was.
    return _redact_until_stable(shown, 2 * len(shown))[-MAX_CHARS:]


def hide_values(text: str, values: Sequence[str]) -> str:
    """The text with each of these values, and of what this process holds, replaced."""
    text = hide_held(text)
    return get_matcher(tuple(values)).hide(text) if values else text


def hide_everywhere(told: T, values: Sequence[str]) -> T:
    """The same with these values replaced in all of its texts but ids, also where a text was cut in the midst of one.

    ``told``: a text, a list, a tuple, a dict or a dataclass of such; what holds none of the values is the same object.
    """
    return cast("T", _hide_within(told, get_matcher(tuple(values)))) if values else told


def _hide_within(told: Any, matcher: ValueMatcher) -> Any:
    if type(told) is str:
        return matcher.hide_at_cut(matcher.hide(told))
    if isinstance(told, dict):
        return {name: each if _is_id(name) else _hide_within(each, matcher) for name, each in told.items()}
    if isinstance(told, list):
        return [_hide_within(each, matcher) for each in told]
    if type(told) is tuple:
        hidden = [_hide_within(each, matcher) for each in told]
        if all(one is other for one, other in zip(hidden, told, strict=True)):
            return told
        return tuple(hidden)
    if not dataclasses.is_dataclass(told) or isinstance(told, type):
        return told
    own = {each.name: getattr(told, each.name) for each in dataclasses.fields(told) if not _is_id(each.name)}
    changed = {name: new for name, each in own.items() if (new := _hide_within(each, matcher)) is not each}
    return dataclasses.replace(told, **changed) if changed else told


def _is_id(name: object) -> bool:
    return isinstance(name, str) and (name == "id" or name.endswith("_id"))


def list_secret_values(variables: Mapping[str, object]) -> tuple[str, ...]:
    """Values of a job's environment variables that are to be hidden wherever its texts repeat them, longest first.

    Not those that tell nothing (short ones, numbers, plain words) or are public (paths, places in object stores,
    variables as ``PATH``), unless their name is that of a secret. A secret within a value counts by itself, too: the
    password of a connection string, a line of a key. So does a value in each of its ``list_written_forms``.
    """
    found: set[str] = set()
    for name, value in variables.items():
        if not isinstance(value, str) or len(value) > _MOST_VALUE_CHARS:
            continue
        named = is_secret_pair(name, value)
        if named or not (_PUBLIC_NAME.fullmatch(name) or _PUBLIC_VALUE.fullmatch(value)):
            least = _MIN_SECRET_CHARS if named else _MIN_VALUE_CHARS
            lines = value.splitlines() if "\n" in value else ()
            texts = (value.strip(), *(line.strip() for line in lines if not line.startswith(_RULER)))
            found.update(text for text in texts if len(text) >= least)
        found.update(text for text in _list_named_parts(value) if len(text) >= _MIN_SECRET_CHARS)
    kept = sorted((text for text in found if _tells_something(text)), key=lambda text: (-len(text), text))
    written = [form for text in kept[:_MOST_VALUES] for form in list_written_forms(text)]
    return tuple(sorted(dict.fromkeys(written), key=len, reverse=True))


def _list_named_parts(value: str) -> Iterator[str]:
    """What the redactor would hide of a value by the names in it."""
    for pair in _PAIR.finditer(value):
        part = _match_value(value, pair.end()) if _may_be_secret(pair.group(1)) else None
        if part and is_secret_pair(pair.group(1), part):
            yield part.strip(_AFTER_VALUE)
    for url in _URL_PASSWORD.finditer(value):
        yield url[1]


def _tells_something(text: str) -> bool:
    return text.casefold() not in _TRIVIAL and text not in REDACTED


def redact_mapping(mapping: Mapping[str, str], values: Sequence[str] = ()) -> dict[str, str]:
    """Values of secret names replaced, all others redacted as texts."""
    return {
        redact(name, values): REDACTED if is_secret_pair(name, value) else redact(value, values)
        for name, value in mapping.items()
    }


def is_secret_pair(name: str, value: str) -> bool:
    """Whether a value is a secret by its name, and for names that also mean a directory by what it is."""
    if _DIRECTORY_NAME.fullmatch(name):
        return not _DIRECTORY.match(value)
    return is_secret_name(name)


def is_secret_name(name: str) -> bool:
    """Whether a variable, flag or key of this name usually holds a secret."""
    return bool(_SECRET_NAME.search(name)) and not _HARMLESS_NAME.search(name)


def strip_controls(text: str) -> str:
    """The text without escape sequences and control characters; tabs and line ends stay."""
    return _CONTROL.sub("", _ANSI.sub("", text.replace("\r\n", "\n")))


def _redact_until_stable(text: str, most_chars: int) -> str:
    for _ in range(_MOST_PASSES):
        before, text = text, _redact_once(text)[:most_chars]
        if text == before:
            break
    return text


def _redact_once(text: str) -> str:
    text = _PRIVATE_KEY.sub(REDACTED, text)
    text = _HEADER.sub(rf"\1\2{REDACTED}", text)
    text = _BEARER.sub(rf"\1{REDACTED}", text)
    text = _SCHEME.sub(rf"\1{REDACTED}", text)
    # Most texts have neither, and to look for a character costs nothing.
    if "@" in text:
        text = _mask_userinfo(text)
        text = _TOKEN_AS_USER.sub(rf"\1{REDACTED}@", text)
        text = _PLAIN_USERINFO.sub(rf"\1{REDACTED}", text)
    if "-p" in text:
        text = _mask_short_flags(text)
    text = _SHAPES.sub(REDACTED, TOKEN_PATTERN.sub(REDACTED, text))
    return _mask_values(_mask_values(text, _PAIR), _FLAG)


def _mask_values(text: str, named: re.Pattern[str]) -> str:
    """Replace what follows a secret name. Other values are not skipped: `env: TOKEN=x` holds a pair within a pair."""
    parts, done = [], 0
    found = named.search(text)
    while found is not None:
        look_from = found.end()
        value = _match_value(text, look_from) if _may_be_secret(found.group(1)) else None
        if value and is_secret_pair(found.group(1), value):
            parts += [text[done:look_from], _mask_value(value)]
            done = look_from = look_from + len(value)
        found = named.search(text, look_from)
    return "".join([*parts, text[done:]])


def _may_be_secret(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None and (
        not _HARMLESS_NAME.search(name) or _DIRECTORY_NAME.fullmatch(name) is not None
    )


def _match_value(text: str, at: int) -> str | None:
    """The value that begins here. Within quotes (a list of words, JSON) one without quotes of its own ends with them;
    a shell joins to it what it has in quotes."""
    value = _VALUE.match(text, at)
    if value is None:
        return None
    # One that has quotes of its own has its end, too; before it may only be that of the quotes around the pair.
    end = at + 2 if text[at] in "\"'\\" else value.end()
    line = text.rfind("\n", 0, at) + 1
    for found in _QUOTE.finditer(text, at, end):
        after = text[found.end() : found.end() + 1]
        if (after and after not in _AFTER_QUOTES) or (text[at] in "\"'\\" and found.start() > at):
            continue
        mark, escaped = found.group(), text.count(f"\\{found[1]}", line, found.start())
        opened = escaped if mark != found[1] else text.count(mark, line, found.start()) - escaped
        if opened % 2:
            return text[at : found.start()]
    return value.group()


def _mask_userinfo(text: str) -> str:
    """Replace what stands between a URL's scheme and the last ``@`` that may end it.

    Not by one pattern: a text of thousands of beginnings would be searched for the end of each.
    """
    parts, done, end_of_url, from_ = [], 0, -1, 0
    while (found := _URL_USER.search(text, from_)) is not None:
        from_ = begin = found.end()
        at = text.rfind("@", begin + 1, begin + _MOST_PASSWORD_CHARS + 1)
        if at > 0 and end_of_url < begin:
            end = _END_OF_URL.search(text, begin)
            end_of_url = end.start() if end is not None else len(text)
        if at > end_of_url:
            at = text.rfind("@", begin + 1, end_of_url)
        if at > 0:
            parts += [text[done : found.end(1)], f"{REDACTED}@"]
            done = from_ = at + 1
    return "".join([*parts, text[done:]])


def _mask_short_flags(text: str) -> str:
    any_word = _WITH_SHORT_FLAG.search(text) is not None

    def mask(found: re.Match[str]) -> str:
        hidden = any_word or _LIKE_A_PASSWORD.match(found[2])
        return f"{found[1]}{_mask_value(found[2])}" if hidden else found[0]

    return _SHORT_FLAG.sub(mask, text)


def _mask_value(value: str) -> str:
    mark = re.match(r"""\\?["']""", value)
    if mark is not None:
        return f"{mark.group()}{REDACTED}{mark.group()}"
    core = value.rstrip(_AFTER_VALUE)
    # Brackets and quotes after a value stay, so what was redacted before must be known again.
    return value if f"{core}]" == REDACTED else f"{REDACTED}{value[len(core) :]}"
