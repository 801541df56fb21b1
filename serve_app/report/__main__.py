"""``python -m serve_app.report --url …``: the report in a terminal, with an exit code for cron and CI.

Exit codes: 0 OK, 1 WARN or UNKNOWN, 2 BAD, 3 the application could not be asked.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any

from serve_app.redaction import printable
from serve_app.report.text import render_markdown, render_text, report_of

EXIT_CODES = {"OK": 0, "WARN": 1, "UNKNOWN": 1, "BAD": 2}
NOT_REACHED = 3
MAX_ANSWER_BYTES = 16_777_216


class NotReached(Exception):
    """The application could not be asked; the sentence says why."""


def main(argv: Sequence[str] | None = None) -> int:
    """Print the report; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m serve_app.report", description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="where the application is")
    parser.add_argument("--format", choices=("text", "markdown", "json"), default="text")
    parser.add_argument("--timeout-s", type=float, default=15.0)
    parser.add_argument("--token-env", default="SEEDCORE_READER_TOKEN", help="environment variable with a token")
    arguments = parser.parse_args(argv)
    token = os.environ.get(arguments.token_env) or next(filter(None, map(os.environ.get, _OTHER_TOKENS)), None)
    try:
        content = fetch(arguments.url, token, arguments.timeout_s)
    except NotReached as error:
        print(f"No report: {error}", file=sys.stderr)
        return NOT_REACHED
    print(_rendered(content, arguments.format), end="")
    return EXIT_CODES[content["verdict"]]


_OTHER_TOKENS = ("SEEDCORE_EXECUTOR_TOKEN", "SEEDCORE_OPERATOR_TOKEN")


def fetch(url: str, token: str | None, timeout_s: float) -> dict[str, Any]:
    """The report as JSON; raises ``NotReached``."""
    if not url.startswith(("http://", "https://")):
        raise NotReached("--url must start with http:// or https://")
    request = urllib.request.Request(f"{url.rstrip('/')}/report?format=json")  # noqa: S310 - the scheme is checked above
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310 - the scheme is checked above
            content = json.loads(answer.read(MAX_ANSWER_BYTES))
    except urllib.error.HTTPError as error:
        raise NotReached(f"{url} answered {error.code}: {_detail(error)}") from None
    except (urllib.error.URLError, TimeoutError, ValueError, ConnectionError) as error:
        raise NotReached(f"{url} cannot be asked ({printable(str(getattr(error, 'reason', error)))}).") from None
    if not isinstance(content, dict) or content.get("verdict") not in EXIT_CODES:
        raise NotReached(f"{url} answered something that is not a report.")
    return content


def _detail(error: urllib.error.HTTPError) -> str:
    try:
        return printable(str(json.loads(error.read(65_536))["detail"]))
    except (ValueError, KeyError, TypeError):
        return printable(str(error.reason))


def _rendered(content: dict[str, Any], form: str) -> str:
    if form == "json":
        return json.dumps(content, indent=2) + "\n"
    report = report_of(content)
    if form == "markdown":
        return render_markdown(report)
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    return render_text(report, width=shutil.get_terminal_size((120, 40)).columns, colour=colour)


if __name__ == "__main__":
    raise SystemExit(main())
