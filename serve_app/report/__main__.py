"""``python -m serve_app.report --url …``: the report in a terminal, with an exit code for cron and CI.

Exit codes: 0 OK, 1 WARN or UNKNOWN, 2 BAD, 3 the application could not be asked.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shutil
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from typing import Any

from serve_app.cluster import ray_http, ray_token
from serve_app.cluster.ray_token import TokenRefused
from serve_app.queries.windows import DEFAULT_WINDOW, WINDOWS_S
from serve_app.redaction import strip_controls
from serve_app.report.absence import Absence, describe_absence, describe_no_account, describe_no_ray
from serve_app.report.content import parse_report
from serve_app.report.text import render_markdown, render_text

EXIT_CODES = {"OK": 0, "WARN": 1, "UNKNOWN": 1, "BAD": 2}
NOT_REACHED = 3
MAX_ANSWER_BYTES = 16_777_216


class NotReached(Exception):
    """The application could not be asked; the sentence says why.

    ``asked``: whether it was asked at all, and what answered, if anything, was not it.
    """

    def __init__(self, sentence: str, *, asked: bool = False, next_step: str | None = None) -> None:
        super().__init__(sentence)
        self.asked = asked
        self.next_step = next_step


def main(argv: Sequence[str] | None = None) -> int:
    """Print the report; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m serve_app.report", description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="where the application is")
    parser.add_argument("--format", choices=("text", "markdown", "json", "html"), default="text")
    parser.add_argument("--window", choices=WINDOWS_S, default=DEFAULT_WINDOW, help="how far back its metrics go")
    parser.add_argument("--brief", action="store_true", help="as text: only what matters most")
    parser.add_argument("--timeout-s", type=float, default=15.0)
    parser.add_argument("--token-env", default="SEEDCORE_READER_TOKEN", help="environment variable with a token")
    parser.add_argument("--dashboard", help="Ray's dashboard, which is asked when there is no report")
    arguments = parser.parse_args(argv)
    try:
        content = fetch(arguments.url, _read_token(arguments.token_env), arguments.timeout_s, arguments.window)
        text = _render(content, arguments.format, brief=arguments.brief)
    except NotReached as error:
        print(f"No report: {error}", file=sys.stderr)
        for line in _explain(error, arguments.url, arguments.dashboard):
            print(line, file=sys.stderr)
        return NOT_REACHED
    if arguments.format == "html":
        sys.stdout.buffer.write(text.encode())  # the page says that it is UTF-8, whatever this terminal is
    else:
        print(text, end="")
    return EXIT_CODES[content["verdict"]]


_OTHER_TOKENS = ("SEEDCORE_EXECUTOR_TOKEN", "SEEDCORE_OPERATOR_TOKEN")
_CHUNK_BYTES = 65_536
_DASHBOARD_TIMEOUT_S = 5.0


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
        sentence = f"{url} answered {error.code}: {_read_detail(error)}"
        if error.code in (401, 403):
            raise NotReached(sentence, next_step="Set SEEDCORE_READER_TOKEN to a token of that application.") from None
        raise NotReached(sentence, asked=True) from None
    except (OSError, http.client.HTTPException, ValueError, RecursionError) as error:
        reason = strip_controls(str(getattr(error, "reason", error))) or type(error).__name__
        raise NotReached(f"{url} cannot be asked ({reason}).", asked=True) from None
    if not isinstance(content, dict) or content.get("verdict") not in EXIT_CODES:
        raise NotReached(f"{url} answered something that is not a report.", asked=True)
    return content


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Another place has no business with our token."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _answer(request: urllib.request.Request, timeout_s: float) -> bytes:
    """The body, or ``TimeoutError``: each wait is bounded by urllib, the sum of them here."""
    until = time.monotonic() + timeout_s
    handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
    if ray_http.is_here(request.full_url):
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


def _explain(error: NotReached, url: str, named: str | None) -> list[str]:
    """What is there instead, as Ray's dashboard tells it, and the next step."""
    if not error.asked:
        return [] if error.next_step is None else [f"next: {error.next_step}"]
    try:
        dashboard = named or ray_http.find_named_dashboard(os.environ) or _guess_dashboard(url)
        if dashboard is None:
            return ["next: Name Ray's dashboard with --dashboard, and it is asked what is there instead."]
        details = ray_http.fetch_serve_details(dashboard.rstrip("/"), _DASHBOARD_TIMEOUT_S)
        absence = describe_absence(details, url, dashboard.rstrip("/"))
    except ray_http.Refused as refused:
        absence = describe_no_account(str(dashboard), refused.status)
    except ray_http.NoAnswer:
        absence = describe_no_ray(str(dashboard))
    except TokenRefused as error_of_ray:
        absence = Absence(error_of_ray.cause, error_of_ray.next_step)
    return [absence.sentence, f"next: {absence.next_step}"]


def _guess_dashboard(url: str) -> str | None:
    """Beside the application, at Ray's own port. Ray's token is sent to no place elsewhere that was only guessed."""
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        return None
    if not parts.hostname or (ray_token.is_token_mode(os.environ) and not ray_http.is_here(url)):
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"http://{host}:{os.environ.get('SEEDCORE_DASHBOARD_PORT') or 8265}"


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
