"""The report: what it concludes, how it looks, and what its command line says to cron."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import urllib.error
import urllib.request
import urllib.response
from datetime import UTC, datetime
from email.message import Message
from http.client import BadStatusLine
from pathlib import Path
from typing import Any

import pytest

from serve_app.cluster.ray_http import NoAnswer, Refused
from serve_app.cluster.ray_token import TokenRefused
from serve_app.readiness import Part
from serve_app.report import Parts, Report, build_report, parse_report
from serve_app.report import __main__ as command
from serve_app.report.tables import build_organs_table
from serve_app.report.text import render_markdown, render_text
from tests.unit.fakes import initialization, job, organ, summary

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
OK_JOB = job("01000000", verdict="OK", reason="It runs, as it should.")


def report(*jobs: Any, organs: Any = None, state: Any = None, nodes: Any = None, **parts: Part) -> Report:
    whole = {
        "organism": Part({"organs": organs or [organ("a", "Utility")], "initialization": state or initialization()}),
        "jobs": Part({"items": list(jobs), "next_cursor": None, "degraded": []}),
        "nodes": nodes if isinstance(nodes, Part) else Part({"items": nodes or [{"node_id": "n1", "state": "ALIVE"}]}),
        "resources": Part({"total": {"CPU": 2.0}, "available": {"CPU": 1.5}}),
        "summary": Part(summary()),
        "lifecycle": Part({"steps": [], "degraded": []}),
        "findings": Part({"items": [], "degraded": []}),
        "alerts": Part({"items": [], "next_cursor": None}),
    }
    return build_report(Parts(**{**whole, **parts}), "1h", NOW)


@pytest.mark.parametrize(
    ("made", "verdict", "subjects"),
    [
        (report(OK_JOB), "OK", []),
        (report(), "OK", []),
        (report(job("02", verdict="UNKNOWN")), "UNKNOWN", ["job 02"]),
        (report(job("02", verdict="nonsense")), "UNKNOWN", ["job 02"]),
        (report(nodes=[{"node_id": "n2", "state": "DEAD"}]), "WARN", ["node n2"]),
        (report(organs=[organ("a", "Utility", status="not_responding")]), "BAD", ["a"]),
        (report(organs=[organ("a", "Utility", status="a new word")]), "UNKNOWN", ["a"]),
        (report(organs=[organ("a", "Utility", status="asleep", agent_count=0)]), "OK", []),
        (report(organs=[organ("a", "Utility", status="waking", agent_count=0)]), "OK", []),
        (report(organs=[organ("a", "Utility", status="unplaceable", agent_count=0)]), "BAD", ["a"]),
        (report(state=initialization("running")), "OK", []),
        (report(state=initialization("failed")), "WARN", ["initialization"]),
        (report(state=initialization("waiting_for_person")), "BAD", ["initialization"]),
        (report(jobs=Part(None, "Gone.")), "UNKNOWN", ["observation"]),
        (report(organism=Part(None, "Gone."), jobs=Part(None, "Gone.")), "UNKNOWN", ["observation", "observation"]),
        (
            report(
                job("02", verdict="UNKNOWN"), OK_JOB, job("03", verdict="WARN"), job("04", verdict="BAD"),
                organs=[organ("a", "Utility", status="degraded")],
            ),
            "BAD",
            ["job 04", "a", "job 03", "job 02"],  # the worst first; of two that are as bad, the organism's own
        ),
    ],
)  # fmt: skip
def test_what_to_do_first(made: Report, verdict: str, subjects: list[str]) -> None:
    assert (made.verdict, [each.subject for each in made.findings]) == (verdict, subjects)
    assert all(each.action for each in made.findings)


HOSTILE = "\x1b[2J\x1b]0;title\x07a|b <img src=x> [x](javascript:1) `y`\r\nVerdict: OK\u202e"


@pytest.mark.parametrize(("desired", "told"), [(2, "1 of 2"), (None, "1")])
def test_how_many_agents_there_are_of_how_many(desired: int | None, told: str) -> None:
    """While Serve updates, nobody tells how many there shall be."""
    (row,) = build_organs_table(report(organs=[organ("a", "Utility", desired_agent_count=desired)])).rows
    assert row[3] == told


@pytest.mark.parametrize("width", [1, 40, 80, 120, 300])
@pytest.mark.parametrize("colour", [False, True])
def test_text_of_others_stays_in_its_cell(width: int, colour: bool) -> None:
    rows = [job(HOSTILE, verdict="BAD", kind=HOSTILE, reason=HOSTILE * 50, outcome=None, duration_s=None)]
    made = report(*rows, organs=[organ("a", "Utility", message=HOSTILE)], state=initialization(sentence=HOSTILE))
    text = render_text(made, width=width, colour=colour)
    plain = text if not colour else text.replace("\x1b[31m", "").replace("\x1b[32m", "").replace("\x1b[0m", "")
    assert not set(plain) & {"\x1b", "\r", "\x07", "\u202e"}
    assert [line for line in plain.splitlines() if line.startswith("Verdict:")] == [
        "Verdict: BAD   as of 2026-01-01T12:00:00.000+00:00"
    ]
    if width >= 80:
        assert max(map(len, plain.splitlines())) <= max(width, 170)


def test_markdown_of_others_is_text() -> None:
    lines = render_markdown(report(job("02", verdict="BAD", reason=HOSTILE))).splitlines()
    row = next(line for line in lines if line.startswith("| BAD |"))
    assert "a\\|b &lt;img src=x> \\[x\\](javascript:1) \\`y\\` Verdict: OK" in row
    assert len([line for line in lines if line.startswith("# ")]) == 1


def test_a_report_survives_its_way_through_json() -> None:
    made = report(OK_JOB, job("02", verdict="BAD"))
    content = json.loads(json.dumps(made.to_json()))
    newer = {**content, "a_new_member": 1, "findings": [{**each, "rule": "r"} for each in content["findings"]]}
    assert render_text(parse_report(newer)) == render_text(parse_report(content)) == render_text(made)


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (report(OK_JOB), 0),
        (report(job("02", verdict="WARN")), 1),
        (report(job("02", verdict="UNKNOWN")), 1),
        (report(job("02", verdict="BAD")), 2),
    ],
)
@pytest.mark.parametrize("form", ["text", "markdown", "json", "html"])
def test_the_exit_code_is_the_verdict(
    made: Report, code: int, form: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "_answer", lambda *_: json.dumps(made.to_json()).encode())
    assert command.main(["--format", form]) == code
    assert made.verdict in capsys.readouterr().out


STRANGE = {
    "verdict": "\x1b[2J", "subject": "s", "sentence": "s", "action": "a", "at": None, "count": 1, "examples": [],
}  # fmt: skip
OTHER_VERSION = "the answer is a report of another version; `--format json` shows it as it is."


def test_the_window_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(request: Any, _: float) -> bytes:
        asked.append(request.full_url)
        return json.dumps(report().to_json()).encode()

    monkeypatch.setattr(command, "_answer", answer)
    assert command.main(["--url", "http://x/"]) == command.main(["--window", "7d", "--url", "http://x"]) == 0
    assert asked == [f"http://x/report?format=json&window={window}" for window in ("1h", "7d")]
    with pytest.raises(SystemExit):
        command.main(["--window", "2h"])


def test_the_page_is_utf_8_whatever_the_terminal_is(monkeypatch: pytest.MonkeyPatch) -> None:
    made = report(job("02", verdict="BAD", reason="Größe"))
    monkeypatch.setattr(command, "_answer", lambda *_: json.dumps(made.to_json()).encode())
    page = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(page, encoding="ascii"))
    assert command.main(["--format", "html"]) == 2
    assert "Größe" in page.getvalue().decode()


def http_error(status: int, body: bytes) -> urllib.error.HTTPError:
    return urllib.error.HTTPError("http://x/report", status, "Reason", Message(), io.BytesIO(body))


NO_RAY = (
    "Ray's dashboard at http://x:8265 does not answer, either.\n"
    "next: Start the cluster (`make up` starts one here), or name its dashboard with --dashboard.\n"
)
NAME_IT = "next: Name Ray's dashboard with --dashboard, and it is asked what is there instead.\n"
UNKNOWN_TOKEN = http_error(401, b'{"detail": "A \\u001b[2Jtoken."}')
GIVE_A_TOKEN = "next: Set SEEDCORE_READER_TOKEN to a token of that application.\n"


@pytest.mark.parametrize(
    ("url", "answer", "sentence", "then"),
    [
        ("ftp://x", b"", "--url must start with http:// or https://", ""),
        ("http://[::1", b"", "http://[::1 cannot be asked (Invalid IPv6 URL).", NAME_IT),
        ("http://x", urllib.error.URLError("refused"), "http://x cannot be asked (refused).", NO_RAY),
        ("http://x", TimeoutError("timed out"), "http://x cannot be asked (timed out).", NO_RAY),
        ("http://x", ConnectionResetError(), "http://x cannot be asked (ConnectionResetError).", NO_RAY),
        ("http://x", BadStatusLine("SSH-2.0\x1b"), "http://x cannot be asked (SSH-2.0).", NO_RAY),
        ("http://x", UNKNOWN_TOKEN, "http://x answered 401: A token.", GIVE_A_TOKEN),
        ("http://x", http_error(502, b"<html>"), "http://x answered 502: Reason.", NO_RAY),
        ("http://x", http_error(307, b""), "http://x answered 307: Reason.", NO_RAY),
        ("http://x", b"<html>", "http://x cannot be asked (Expecting value: line 1 column 1 (char 0)).", NO_RAY),
        ("http://x", b"[]", "http://x answered something that is not a report.", NO_RAY),
        ("http://x", b'{"verdict": "GOOD"}', "http://x answered something that is not a report.", NO_RAY),
        ("http://x", b'{"verdict": "OK"}', OTHER_VERSION, ""),
        ("http://x", json.dumps({**report().to_json(), "organs": [5]}).encode(), OTHER_VERSION, ""),
        ("http://x", json.dumps({**report().to_json(), "findings": [STRANGE]}).encode(), OTHER_VERSION, ""),
        ("http://x", json.dumps({**report().to_json(), "more": [5]}).encode(), OTHER_VERSION, ""),
    ],
)  # fmt: skip
def test_whatever_is_no_report_is_not_a_verdict(
    url: str,
    answer: bytes | Exception,
    sentence: str,
    then: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def no_ray(*_: Any) -> None:
        raise NoAnswer("refused")

    monkeypatch.setattr(command.ray_http, "fetch_serve_details", no_ray)

    def asked(*_: Any) -> bytes:
        if isinstance(answer, Exception):
            raise answer
        return answer

    if url == "http://x":
        monkeypatch.setattr(command, "_answer", asked)
    assert command.main(["--url", url]) == command.NOT_REACHED
    assert capsys.readouterr() == ("", f"No report: {sentence}\n{then}")


def test_what_is_there_instead_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[str] = []

    def answer(url: str, timeout_s: float) -> dict[str, Any]:
        asked.append(url)
        return {"controller_info": {"actor_id": "ab"}, "applications": {"hello": {"status": "RUNNING"}}}

    def refuse(*_: Any) -> bytes:
        raise http_error(404, b"Not Found")

    monkeypatch.setattr(command, "_answer", refuse)
    monkeypatch.setattr(command.ray_http, "fetch_serve_details", answer)
    monkeypatch.setenv("SEEDCORE_DASHBOARD_PORT", "8266")
    assert command.main(["--url", "http://127.0.0.1:8000"]) == command.NOT_REACHED
    assert command.main(["--url", "http://127.0.0.1:8000", "--dashboard", "http://d:1/"]) == command.NOT_REACHED
    assert asked == ["http://127.0.0.1:8266", "http://d:1"]
    assert capsys.readouterr().err.startswith(
        "No report: http://127.0.0.1:8000 answered 404: Reason.\n"
        "Something else is deployed here (hello, RUNNING); SeedCore is not.\n"
        "next: `python -m serve_app.deploy serve_config.yaml -a http://127.0.0.1:8266` deploys it beside that; "
    )


def test_a_ray_that_asks_for_its_token_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: Any) -> bytes:
        raise TokenRefused("It asks for its token.", "Set RAY_AUTH_MODE=token.")

    def no_answer(*_: Any) -> bytes:
        raise ConnectionResetError

    monkeypatch.setattr(command, "_answer", no_answer)
    monkeypatch.setattr(command.ray_http, "fetch_serve_details", refuse)
    assert command.main(["--url", "http://127.0.0.1:8000"]) == command.NOT_REACHED
    assert capsys.readouterr().err.splitlines()[1:] == ["It asks for its token.", "next: Set RAY_AUTH_MODE=token."]


def test_another_server_in_the_place_of_the_dashboard_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_answer(*_: Any) -> bytes:
        raise ConnectionResetError

    def refuse(*_: Any) -> bytes:
        raise Refused(404, b"Not Found")

    monkeypatch.setattr(command, "_answer", no_answer)
    monkeypatch.setattr(command.ray_http, "fetch_serve_details", refuse)
    assert command.main(["--url", "http://127.0.0.1:8000", "--dashboard", "http://d:1"]) == command.NOT_REACHED
    assert capsys.readouterr().err.splitlines()[1:] == [
        "What answers at http://d:1 (HTTP 404) does not tell what Ray Serve has deployed.",
        "next: Name Ray's dashboard with --dashboard; if it is that one, look at its log.",
    ]


def test_rays_token_goes_to_no_place_that_was_only_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEEDCORE_DASHBOARD_PORT", raising=False)
    assert command._guess_dashboard("http://head.example:8000") == "http://head.example:8265"
    assert command._guess_dashboard("http://[::1]:8000") == "http://[::1]:8265"
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    assert command._guess_dashboard("http://head.example:8000") is None
    assert command._guess_dashboard("http://127.0.0.1:8000") == "http://127.0.0.1:8265"


@pytest.mark.parametrize(
    ("variables", "sent"),
    [
        ({}, None),
        ({"SEEDCORE_READER_TOKEN": "reader-0123456789"}, "Bearer reader-0123456789"),
        ({"SEEDCORE_READER_TOKEN": "reader-0123456789\n"}, "Bearer reader-0123456789"),
        ({"SEEDCORE_OPERATOR_TOKEN": "operator-01234567"}, "Bearer operator-01234567"),
        ({"MINE": "mine-0123456789abc", "SEEDCORE_OPERATOR_TOKEN": "operator-01234567"}, "Bearer mine-0123456789abc"),
        ({"SEEDCORE_READER_TOKEN": "two secret words"}, "SEEDCORE_READER_TOKEN"),
        ({"SEEDCORE_READER_TOKEN": "secret-t\xf6k\xe9n-012345"}, "SEEDCORE_READER_TOKEN"),
    ],
)
def test_a_token_is_sent_and_never_shown(
    variables: dict[str, str],
    sent: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    seen: list[str | None] = []

    def asked(request: Any, _: float) -> bytes:
        seen.append(request.get_header("Authorization"))
        return json.dumps(report().to_json()).encode()

    monkeypatch.setattr(command, "_answer", asked)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    arguments = ["--token-env", "MINE"] if "MINE" in variables else []
    code = command.main(arguments)
    shown = "".join(capsys.readouterr())
    if sent == "SEEDCORE_READER_TOKEN":
        assert (code, seen) == (command.NOT_REACHED, [])
        assert shown == f"No report: {sent} holds a character that a token cannot have.\n"
    else:
        assert (code, seen) == (0, [sent])
    assert not any(value.strip() in shown for value in variables.values())


def over_http(monkeypatch: pytest.MonkeyPatch, body: bytes = b"{}", status: int = 200, **headers: str) -> list[Any]:
    """Below urllib's openers, where a connection would be made: answers, and the requests that came so far."""
    requests: list[Any] = []

    def opened(_: Any, request: Any) -> Any:
        requests.append((request.host, request.get_header("Authorization")))
        message = Message()
        for name, value in headers.items():
            message[name] = value
        answer = urllib.response.addinfourl(io.BytesIO(body), message, request.full_url, status)
        answer.msg = "Reason"  # type: ignore[attr-defined]
        return answer

    monkeypatch.setattr(urllib.request.HTTPHandler, "http_open", opened)
    return requests


def test_a_redirect_does_not_get_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = over_http(monkeypatch, status=302, Location="http://elsewhere.example/report")
    with pytest.raises(command.NotReached, match=r"answered 302: Reason\."):
        command.fetch("http://localhost:8000/", "token-0123456789", 1.0)
    assert requests == [("localhost:8000", "Bearer token-0123456789")]


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("http://localhost:8000", "localhost:8000"),
        ("http://127.0.0.1:8000", "127.0.0.1:8000"),
        ("http://[::1]:8000", "[::1]:8000"),
        ("http://ray.example", "proxy.example:3128"),
        ("http://localhost.example", "proxy.example:3128"),
    ],
)
def test_a_proxy_is_not_asked_for_this_machine(url: str, asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    requests = over_http(monkeypatch, json.dumps(report().to_json()).encode())
    assert command.fetch(url, None, 1.0)["verdict"] == "OK"
    assert requests == [(asked, None)]


def test_an_answer_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    over_http(monkeypatch, b" " * 300_000)
    now = iter(range(0, 100, 10))
    with monkeypatch.context() as patched:
        patched.setattr(command.time, "monotonic", lambda: next(now))
        with pytest.raises(command.NotReached, match="timed out"):
            command.fetch("http://localhost", None, 25)
    monkeypatch.setattr(command, "MAX_ANSWER_BYTES", 200_000)
    with pytest.raises(command.NotReached, match="more than 200000 bytes"):
        command.fetch("http://localhost", None, 25)


def test_the_command_starts_without_what_it_does_not_need() -> None:
    heavy = ("ray", "fastapi", "starlette", "pydantic", "sqlalchemy", "yaml", "jinja2")
    code = f"import sys, serve_app.report.__main__; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[3], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_colours_are_of_verdicts_and_of_nothing_that_is_called_like_one() -> None:
    made = report(job("BAD", verdict="OK", kind="WARN"), failed_job := job("02", verdict="BAD", reason="It is BAD."))
    text = render_text(made, colour=True)
    assert failed_job["verdict"] == "BAD"
    assert text.count("\x1b[31mBAD\x1b[0m") == 3  # the verdict on all, that of its row, and what to do first
    assert text.count("\x1b[32mOK\x1b[0m") == 1
    assert text.count("\x1b[") == 2 * 4
    lines = text.splitlines()
    assert lines[0].startswith("Verdict: \x1b[31mBAD\x1b[0m   as of")
    assert any(line.startswith("  \x1b[32mOK\x1b[0m") and "WARN" in line for line in lines)
    assert any(line.startswith("  1. \x1b[31mBAD\x1b[0m: job 02: It is BAD.") for line in lines)
    plain = text.replace("\x1b[31m", "").replace("\x1b[32m", "").replace("\x1b[0m", "")
    assert plain == render_text(made)
