"""``python -m serve_app.report --url …``: the report in a terminal, with an exit code for cron and CI.

Exit codes: 0 OK, 1 WARN or UNKNOWN, 2 BAD, 3 the application could not be asked.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import shutil
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from typing import Any

from serve_app.queries.windows import DEFAULT_WINDOW, WINDOWS_S
from serve_app.redaction import strip_controls
from serve_app.report.content import parse_report
from serve_app.report.text import render_markdown, render_text

EXIT_CODES = {"OK": 0, "WARN": 1, "UNKNOWN": 1, "BAD": 2}
NOT_REACHED = 3
MAX_ANSWER_BYTES = 16_777_216


class NotReached(Exception):
    """The application could not be asked; the sentence says why."""


def main(argv: Sequence[str] | None = None) -> int:
    """Print the report; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m serve_app.report", description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="where the application is")
    parser.add_argument("--format", choices=("text", "markdown", "json", "html"), default="text")
    parser.add_argument("--window", choices=WINDOWS_S, default=DEFAULT_WINDOW, help="how far back its metrics go")
    parser.add_argument("--brief", action="store_true", help="as text: only what matters most")
    parser.add_argument("--timeout-s", type=float, default=15.0)
    parser.add_argument("--token-env", default="SEEDCORE_READER_TOKEN", help="environment variable with a token")
    arguments = parser.parse_args(argv)
    try:
        content = fetch(arguments.url, _read_token(arguments.token_env), arguments.timeout_s, arguments.window)
        text = _render(content, arguments.format, brief=arguments.brief)
    except NotReached as error:
        print(f"No report: {error}", file=sys.stderr)
        return NOT_REACHED
    if arguments.format == "html":
        sys.stdout.buffer.write(text.encode())  # the page says that it is UTF-8, whatever this terminal is
    else:
        print(text, end="")
    return EXIT_CODES[content["verdict"]]


_OTHER_TOKENS = ("SEEDCORE_EXECUTOR_TOKEN", "SEEDCORE_OPERATOR_TOKEN")
_CHUNK_BYTES = 65_536
# `access.is_loopback` knows better, and takes longer to import than all the rest.
_HERE = re.compile(r"localhost$|127\.[0-9.]+$|::1$")


def fetch(url: str, token: str | None, timeout_s: float, window: str = "1h") -> dict[str, Any]:
    """The report as JSON; raises ``NotReached``."""
    if not url.startswith(("http://", "https://")):
        raise NotReached("--url must start with http:// or https://")
    try:
        asked = f"{url.rstrip('/')}/report?format=json&window={window}"
        request = urllib.request.Request(asked)  # noqa: S310 - the scheme is checked above
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        content = json.loads(_answer(request, timeout_s))
    except urllib.error.HTTPError as error:
        raise NotReached(f"{url} answered {error.code}: {_read_detail(error)}") from None
    except (OSError, http.client.HTTPException, ValueError, RecursionError) as error:
        reason = strip_controls(str(getattr(error, "reason", error))) or type(error).__name__
        raise NotReached(f"{url} cannot be asked ({reason}).") from None
    if not isinstance(content, dict) or content.get("verdict") not in EXIT_CODES:
        raise NotReached(f"{url} answered something that is not a report.")
    return content


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Another place has no business with our token."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _answer(request: urllib.request.Request, timeout_s: float) -> bytes:
    """The body, or ``TimeoutError``: each wait is bounded by urllib, the sum of them here."""
    until = time.monotonic() + timeout_s
    handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
    if _HERE.match(urllib.parse.urlsplit(request.full_url).hostname or ""):
        handlers.append(urllib.request.ProxyHandler({}))  # a proxy elsewhere would ask its own loopback, with our token
    body = bytearray()
    with urllib.request.build_opener(*handlers).open(request, timeout=timeout_s) as answer:
        while piece := answer.read1(_CHUNK_BYTES):
            body += piece
            if len(body) > MAX_ANSWER_BYTES:
                raise ValueError(f"more than {MAX_ANSWER_BYTES} bytes")
            if time.monotonic() > until:
                raise TimeoutError("timed out")
    return bytes(body)


def _read_token(variable: str) -> str | None:
    """Spaces and line ends around a token come from files that end in one; anything else is told without the token."""
    name = next((name for name in (variable, *_OTHER_TOKENS) if os.environ.get(name)), None)
    token = os.environ[name].strip() if name is not None else ""
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise NotReached(f"{name} holds a character that a token cannot have.")
    return token or None


def _read_detail(error: urllib.error.HTTPError) -> str:
    try:
        return strip_controls(str(json.loads(error.read(65_536))["detail"]))
    except (ValueError, KeyError, TypeError):
        return f"{strip_controls(str(error.reason))}."


def _render(content: dict[str, Any], form: str, *, brief: bool = False) -> str:
    if form == "json":
        return json.dumps(content, indent=2) + "\n"
    try:
        report = parse_report(content)
        if form == "markdown":
            return render_markdown(report)
        if form == "html":
            from serve_app.report.html import render_html  # Jinja2 takes longer to import than a terminal needs

            return render_html(report)
        colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        width = shutil.get_terminal_size((120, 40)).columns
        return render_text(report, width=width, colour=colour, brief=brief)
    except (KeyError, TypeError, AttributeError, ValueError):
        raise NotReached("the answer is a report of another version; `--format json` shows it as it is.") from None


if __name__ == "__main__":
    raise SystemExit(main())
