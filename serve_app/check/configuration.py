"""What is wrong with a configuration, told before anything is deployed: one line for each mistake.

``serve_config.yaml:12: applications[0].args.organs[1].type: got 'Utilty'; expected one of Cognitive, Actuator, …``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from organs.live.mistakes import Mistake, format_path
from serve_app.api.access import Tokens, require_safe_address
from serve_app.check import tree as config_tree
from serve_app.check.imports import find_import_failure
from serve_app.check.rules import (
    IMPORT_PATH,
    check_by_ray,
    check_by_us,
    check_characters,
    check_imports,
    check_plainness,
    list_past_silences,
    quote_value,
)
from serve_app.check.scaling import list_unscaled
from serve_app.env import Env
from serve_app.errors import AppError
from serve_app.redaction import strip_controls

# What Serve listens on when a deployed file leaves `http_options.host` out (HTTPOptionsSchema, ray/serve/schema.py).
EVERYWHERE = "0.0.0.0"  # noqa: S104
# What people write has some thousands; YAML's reader takes a minute for 30 MB.
MAX_BYTES = 1_048_576


@dataclass(frozen=True)
class ConfigProblem:
    """One mistake in one file. ``key`` is its path in words: ``applications[0].args``."""

    file: str
    line: int
    key: str
    got: str
    expected: str

    def render(self) -> str:
        """The line that is printed."""
        where = f"{self.key}: " if self.key else ""
        return strip_controls(f"{self.file}:{self.line}: {where}got {self.got}; expected {self.expected}")


def read_config(path: Path) -> str:
    """The text of a configuration, and at most ``MAX_BYTES`` and one byte more, which ``check_config`` then refuses.

    Raises ``OSError`` and ``UnicodeDecodeError``.
    """
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    # What is cut may be cut within a character.
    return content.decode("utf-8", "strict" if len(content) <= MAX_BYTES else "replace")


def check_config(
    text: str,
    path: str,
    env: Mapping[str, str] | None,
    *,
    will_be_stamped: bool = False,
    find_failure: Callable[[str], str | None] = find_import_failure,
) -> list[ConfigProblem]:
    """All mistakes of one configuration, in the order of its lines.

    ``path`` is only named in the answers; ``env`` says which tokens there are, None that this is not known here: then
    the application itself decides whether others may reach it (``main.build``). Nothing is deployed or connected to,
    but skills of your own are imported, and other applications in a process that ``find_failure`` starts.
    ``will_be_stamped``: any version of the code may be in it (``stamp`` replaces it).
    """
    if len(text.encode(errors="replace")) > MAX_BYTES:
        line = text.count("\n", 0, MAX_BYTES) + 1
        return [ConfigProblem(path, line, "", f"more than {MAX_BYTES} bytes", "a file that people write")]
    try:
        tree = config_tree.load(text)
    except config_tree.NotYaml as error:
        return [ConfigProblem(path, error.line, "", error.what, "YAML")]
    problems = [
        ConfigProblem(
            path,
            each.line,
            format_path(each.path),
            "a key for the second time",
            f"it once; it is on line {each.first_line}",
        )
        for each in tree.duplicates
    ]
    for mistake in _find_mistakes(tree.value, env, will_be_stamped, find_failure):
        line = tree.find_line(mistake.path)
        problem = ConfigProblem(path, line, format_path(mistake.path), mistake.got, mistake.expected)
        if problem not in problems:
            problems.append(problem)
    return sorted(problems, key=lambda problem: problem.line)


def list_notes(text: str, path: str, now: datetime) -> list[str]:
    """What is worth knowing of a configuration that is fine, one line each."""
    tree = config_tree.load(text)
    return [
        f"{path}:{tree.find_line(place)}: {format_path(place)}: {what}"
        for place, what in list_past_silences(tree.value, now)
    ]


def list_restarts(text: str, path: str) -> list[str]:
    """What of a configuration that is fine, deployed as it is, makes a later change restart more than it changes."""
    tree = config_tree.load(text)
    notes = []
    for index, app in enumerate(tree.value["applications"]):
        names = list_unscaled(app) if app.get("import_path") == IMPORT_PATH else []
        if names:
            place = ("applications", index, "deployments")
            notes.append(
                f"{path}:{tree.find_line(place)}: {format_path(place)}: {', '.join(names)} without autoscaling_config: "
                "with a plain `serve deploy` of this file, the first step that gives one to any organ restarts all "
                "deployments; `make up` and `python -m serve_app.deploy` write one for each, and `python -m "
                "serve_app.check --stamp` prints it so"
            )
    return notes


def _find_mistakes(
    document: Any, env: Mapping[str, str] | None, will_be_stamped: bool, find_failure: Callable[[str], str | None]
) -> Iterator[Mistake]:
    if not isinstance(document, dict):
        yield Mistake((), "nothing" if document is None else quote_value(document), "a mapping with `applications`")
        return
    if broken := list(check_characters(document)):
        yield from broken
        return
    yield from check_plainness(document)
    yield from check_by_ray(document)
    yield from check_by_us(document, will_be_stamped=will_be_stamped)
    yield from check_imports(document, find_failure)
    if env is not None:
        yield from find_exposure(document, env)


def find_exposure(document: Mapping[str, Any], env: Mapping[str, str]) -> Iterator[Mistake]:
    """Where Serve would listen for other machines, and ``env`` has no token."""
    options = document.get("http_options")
    given = options.get("host") if isinstance(options, dict) else None
    try:
        require_safe_address(given if isinstance(given, str) else EVERYWHERE, Tokens.load(Env.read(env)))
    except (AppError, ValueError) as error:
        got = quote_value(given) if given is not None else f"no host, so Serve would listen on {EVERYWHERE}"
        yield Mistake(("http_options", "host"), got, f"127.0.0.1: {error}")
