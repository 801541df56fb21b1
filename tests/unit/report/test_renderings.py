"""Every rendering of reports that know nothing, that are fine, bad, hostile: what must and what must not be in it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import tomllib
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from serve_app.readiness import Part
from serve_app.report import Parts, Report, build_report, parse_report
from serve_app.report.html import CONTENT_SECURITY_POLICY, render_html
from serve_app.report.tables import build_jobs_table, build_metrics_table
from serve_app.report.text import render_markdown, render_text
from tests.unit.fakes import initialization, job, organ, summary
from tests.unit.report.test_content import EARLY, LATE, alert, failed, items, judged
from tests.unit.report.test_report import NOW, report

ROOT = Path(__file__).resolve().parents[3]
HOSTILE = (
    "</style></title><script>alert(1)</script><img src=x onerror=alert(1)>\"'`><a href='javascript:1'>{{ 7 * 7 }}"
    "{% raw %}\x1b[2J\x00\x07\u202e\u2066\ud800|\r\n# x\n| BAD |&lt;script&gt;]]><!--"
)
LONG = "n" * 10_000


def ratio(now: Any, mean: Any = 0.5, most: Any = 0.9) -> dict[str, Any]:
    return {"now": now, "mean": mean, "max": most}


def everything(text: str, number: Any = 0.25) -> Report:
    """Every place that holds text of others holds this text, and every number this number."""
    node = {
        "node_id": text, "ip": text, "is_head": True, "gpu_ratio": ratio(number, number, number),
        **{f"{name}_ratio": ratio(number, number, number) for name in ("cpu", "memory", "disk")},
        **{f"network_{way}_bytes_per_s": ratio(number) for way in ("receive", "send")},
    }  # fmt: skip
    rows = [
        failed(text, text, kind=text, started_at=EARLY, ended_at=LATE),
        failed("b" + text, text, kind=text, started_at=EARLY, ended_at=text, duration_s=number),
        job("c" + text, verdict=text, outcome=text, reason=text, started_at=LATE, kind=text),
        job("d", verdict="WARN", outcome="running", reason=text, started_at=EARLY),
        job("e", verdict="OK", outcome="running", reason=text, started_at=text),
    ]
    numbers = dict.fromkeys(("p50", "p95", "p99", "max", "p50_s", "p95_s", "p99_s", "max_s", "success_ratio"), number)
    parts = Parts(
        organism=Part(
            {
                "organs": [organ(text, text, status=text, message=text, last_probe={"ok": True, "latency_s": number})],
                "initialization": initialization(text, sentence=text),
            }
        ),
        jobs=items(*rows, next_cursor=text, degraded=[text]),
        nodes=items({"node_id": text, "ip": text, "state": text, "is_head": True, "ended_at": text}),
        resources=Part({"total": {"CPU": 4, text: 1}, "available": {}}),
        summary=Part(
            summary(
                jobs={"ended": number, "error_ratio": number, **numbers},
                duration_s={"count": number, **numbers},
                responses={"count": number, "errors": number, **numbers},
                by_kind={text: {"ended": number, "failed": number, **numbers}},
                failures_by_cause=[{"cause": text, "count": number, "example": text}],
                utilisation={"reason": text, "cpu_ratio": ratio(number), "nodes": [node, {"node_id": f"z{text}"}]},
                counts={"total": 900, "by_verdict": {"BAD": 300}},
            )
        ),
        lifecycle=Part(
            {"steps": [{"state": text, "title": text, "at": text, "after_s": number, "duration_s": number}]}
        ),
        findings=items(judged(text, text, text, text)),
        alerts=items(alert(text, text, sentence=text, severity="critical"), alert(text, "b" + text, state=text)),
    )
    return build_report(parts, "1h", NOW)


BAD = everything("worker_1 lost")
REPORTS = {
    "nothing known": build_report(Parts(), "1h", NOW),
    "empty answers": build_report(Parts(*(Part({}) for _ in range(8))), "1h", NOW),
    "all fine": report(job("01", verdict="OK", started_at=EARLY, ended_at=LATE)),
    "everything bad": BAD,
    "hostile": everything(HOSTILE, HOSTILE),
    "long": everything(LONG, 1e300),
    "no numbers": everything("a", None),
    "infinite": everything("a", float("inf")),
    "not a number": everything("a", float("nan")),
    "negative": everything("a", -1e9),
    "true": everything("a", True),
}


class Page(HTMLParser):
    """A page taken apart: tags with attributes, texts by the tag that they are in; it must be well nested."""

    VOID = frozenset({"meta"})

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.odd: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs)
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self._open[-1] if self._open else "", data))

    def handle_comment(self, data: str) -> None:
        self.odd.append(data)

    unknown_decl = handle_pi = handle_comment

    def count(self, tag: str, **attributes: str) -> int:
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        return sum(name == tag and wanted.items() <= has.items() for name, has in self.tags)

    def text(self) -> str:
        return " ".join(" ".join(text for tag, text in self.texts if tag != "style").split())


TAGS = frozenset(
    {
        "html", "head", "meta", "title", "style", "body", "header", "h1", "h2", "h3", "p", "span", "bdi", "strong",
        "nav", "ul", "ol", "li", "a", "main", "section", "div", "table", "caption", "thead", "tbody", "tr", "th",
        "td", "figure", "figcaption", "svg", "defs", "pattern", "clippath", "rect", "path", "line", "text",
        "polygon", "g", "footer", "code",
    }
)  # fmt: skip
ATTRIBUTES = frozenset(
    {
        "lang", "charset", "http-equiv", "content", "name", "class", "aria-hidden", "aria-label", "aria-labelledby",
        "id", "href", "role", "tabindex", "scope", "viewbox", "preserveaspectratio", "width", "height", "x", "y",
        "x1", "x2", "y1", "y2", "d", "fill", "stroke", "stroke-width", "points", "patternunits", "patterntransform",
        "clip-path",
    }
)  # fmt: skip


@pytest.mark.parametrize("name", sorted(REPORTS))
def test_the_page_holds_what_we_wrote_and_nothing_else(name: str) -> None:
    page = Page(render_html(REPORTS[name]))
    assert {tag for tag, _ in page.tags} - TAGS == set()
    attributes = [pair for _, has in page.tags for pair in has.items()]
    assert {attribute for attribute, _ in attributes} - ATTRIBUTES == set()
    links = [value for attribute, value in attributes if attribute in ("href", "clip-path", "fill")]
    assert [link for link in links if not re.fullmatch(r"#[a-z]+|url\(#[a-z]+\)|currentColor", str(link))] == []
    assert page.odd == []
    # Numbers of the shapes are numbers whatever the report says.
    drawn = {"x", "y", "x1", "x2", "y1", "y2", "width", "height"}
    lengths = [float(str(value)) for attribute, value in attributes if attribute in drawn]
    assert all(0 <= length <= 2000 for length in lengths)
    assert len({has["id"] for _, has in page.tags if "id" in has}) == sum("id" in has for _, has in page.tags)


@pytest.mark.parametrize("name", sorted(REPORTS))
def test_the_page_can_be_read_aloud(name: str) -> None:
    page = Page(render_html(REPORTS[name]))
    assert (page.count("html", lang="en"), page.count("h1"), page.count("main")) == (1, 1, 1)
    gauges = page.count("svg", preserveaspectratio="none")
    assert page.count("title") == 1 + page.count("rect", class_="bar") + gauges
    tables = page.count("table")
    assert page.count("caption") == tables == page.count("thead")
    pictures = [has for tag, has in page.tags if tag == "svg"]
    assert all(has["role"] == "img" and has["aria-label"] for has in pictures)
    ids = {has["id"] for _, has in page.tags if "id" in has}
    assert {str(has["aria-labelledby"]) for _, has in page.tags if "aria-labelledby" in has} <= ids
    assert {str(has["href"])[1:] for tag, has in page.tags if tag == "a"} <= ids
    headings = [int(tag[1]) for tag, _ in page.tags if tag in ("h1", "h2", "h3")]
    assert all(later - former <= 1 for former, later in pairwise(headings))


def test_the_policy_names_the_style_that_is_there() -> None:
    html = render_html(REPORTS["all fine"])
    style = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    assert len(style) == 1
    digest = base64.b64encode(hashlib.sha256(style[0].encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert policy == CONTENT_SECURITY_POLICY
    assert Page(html).count("meta", http_equiv="Content-Security-Policy", content=policy.rsplit(";", 1)[0]) == 1
    assert not re.search(r"url\(|@import|expression", style[0])


def test_the_page_says_all_of_it() -> None:
    page = Page(render_html(BAD))
    text = page.text()
    for sentence in (
        "✕ BAD", "What to do first", "GET /jobs?verdict=BAD", "2 worker_1 lost jobs", "What could not be learned",
        "CPU: 25.0 %, at most 25.0 %", "API response time", "250 ms", "and 895 more: GET /jobs.",
        "4 jobs until 2026-01-01 12:00:00 UTC", "1 without a known start are not drawn",
    ):  # fmt: skip
        assert sentence in text, sentence
    assert (page.count("polygon", class_="arrow"), page.count("rect", class_="bar")) == (1, 4)
    assert page.count("svg", class_="gauge bad") == 1
    assert page.count("svg", class_="gauge plain") == 4


def test_a_verdict_can_be_told_without_colours() -> None:
    rows = [job(name, verdict=name, started_at=EARLY, ended_at=LATE) for name in ("OK", "WARN", "BAD", "UNKNOWN")]
    page = Page(render_html(report(*rows)))
    assert [text[0] for tag, text in page.texts if tag == "text" and "user" in text] == ["✓", "!", "✕", "?"]
    fills = [has.get("fill") for tag, has in page.tags if tag == "rect" and has.get("class") == "bar"]
    assert fills == [None, "url(#stripes)", "url(#cross)", None]


@pytest.mark.parametrize("now", [0.8, 0.81])
def test_a_bar_above_the_threshold_is_marked(now: float) -> None:
    use = {"reason": None, "nodes": [{"node_id": "n1", "ip": "10.0.0.1", "cpu_ratio": ratio(now)}]}
    page = Page(render_html(report(summary=Part(summary(utilisation=use)))))
    assert page.count("svg", class_="gauge warn") == (now > 0.8)


def luminance(colour: str) -> float:
    """Relative luminance, as WCAG 2 defines it."""
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_palette_can_be_read() -> None:
    css = (ROOT / "serve_app/report/templates/report.css").read_text()
    blocks = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    palettes = [dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6});", block)) for block in blocks]
    assert len(palettes) == 3
    for palette in palettes:
        for ground in ("page", "card"):
            for ink in ("text", "soft", "ok", "warn", "bad", "unknown", "plain"):
                light, dark = sorted((luminance(palette[ink]), luminance(palette[ground])), reverse=True)
                assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, ground, palette)


def test_hostile_text_is_shown_as_text() -> None:
    page = Page(render_html(REPORTS["hostile"]))
    assert "</style></title><script>alert(1)</script><img src=x onerror=alert(1)>" in page.text()
    assert "{{ 7 * 7 }}" in page.text()
    assert not set(render_html(REPORTS["hostile"])) & set("\x00\x07\x1b\u202e\u2066\ud800")


@pytest.mark.parametrize("render", [render_html, render_markdown, render_text])
def test_ten_thousand_letters_are_cut(render: Any) -> None:
    assert max(map(len, re.findall(r"n+", render(REPORTS["long"])))) <= 600


@pytest.mark.parametrize("name", sorted(REPORTS))
def test_text_and_markdown_hold_whatever_comes(name: str) -> None:
    made = REPORTS[name]
    text, markdown = render_text(made), render_markdown(made)
    assert not set(text + markdown) & set("\x00\x07\x1b\r\u202e\u2066\ud800")
    assert [line for line in text.splitlines() if line.startswith("Verdict:")] == [
        f"Verdict: {made.verdict}   as of 2026-01-01T12:00:00.000+00:00"
    ]
    assert [line for line in markdown.splitlines() if line.startswith("# ")] == [f"# {made.verdict}"]
    assert not re.search(r"(?<!\\)<", markdown)
    for title, row in re.findall(r"\n## (.*)\n\n(\|.*)\n", markdown):
        columns = len(re.findall(r"(?<!\\)\|", row))
        table = markdown.split(f"## {title}\n\n", 1)[1].split("\n\n", 1)[0].splitlines()
        assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {columns}


def test_text_says_all_of_it() -> None:
    text = render_text(BAD, width=160)
    for line in (
        "Cluster: 0 of 1 nodes alive, 0 of 4 CPUs free, 25.0 % of CPU in use",
        f"  job success rate   25.0 % of - whose end is proven, of 0 ended  {'-       ' * 3}-",
        f"  API response time  0 answers, 0 errors{' ' * 24}  250 ms  250 ms  250 ms  250 ms",
        "  and 895 more: GET /jobs.",
    ):
        assert line in text.splitlines(), line
    assert "(worker_1 lost, bworker_1 lost)" in text


@pytest.mark.parametrize(
    ("jobs", "wanted"),
    [
        ({"ended": 32, "succeeded": 4, "failed": 1, "lost": 0}, "20.0 % of 5 whose end is proven, of 32 ended"),
        (
            {"ended": 32, "succeeded": 3, "failed": 1, "lost": 1, "contradicted": 2},
            "20.0 % of 5 whose end is proven, of 32 ended, 2 contradicted",
        ),
        # An answer of before, and one that is no answer.
        ({"ended": 3}, "20.0 % of - whose end is proven, of 3 ended"),
        ({"ended": 3, "succeeded": None, "failed": "x", "lost": 0}, "20.0 % of - whose end is proven, of 3 ended"),
    ],
)
def test_a_rate_says_of_how_many_it_is(jobs: dict[str, Any], wanted: str) -> None:
    made = report(summary=Part(summary(jobs={**jobs, "success_ratio": 0.8, "error_ratio": 0.2})))
    rows = {cells[0]: cells[1] for cells in build_metrics_table(made).rows}
    assert rows["job error rate"] == wanted
    assert rows["job success rate"] == wanted.replace("20.0 %", "80.0 %")


def test_a_terminal_shows_fewer_jobs_than_the_page() -> None:
    rows = (job(f"{place:08}", verdict="OK", kind=f"k{place}", started_at=EARLY) for place in range(100))
    made = report(*rows)
    assert "and 70 more: GET /jobs." in render_text(made)
    assert "more: GET /jobs." not in Page(render_html(made)).text()
    assert "40 older jobs are not drawn." in Page(render_html(made)).text()


def test_the_worst_jobs_come_first_and_alike_ones_are_one_row() -> None:
    ended = {"outcome": "ended_unknown", "verdict": "UNKNOWN", "reason": "It ended in order; success is not proven."}
    long_ago = "2025-12-30T12:00:00+00:00"
    made = report(
        *(job(f"e{place:02}", ended_at=LATE, **ended) for place in range(25)),
        job("ok", verdict="OK", outcome="running", reason="It runs."),
        job("waits", verdict="WARN", outcome="pending", reason="It has waited to start for 85 s; usual are 60 s."),
        job("waits too", verdict="WARN", outcome="pending", reason="It has waited to start for 9 s; usual are 60 s."),
        job("coded", verdict="BAD", outcome="failed", reason="It failed.", code="app.import-error", ended_at=LATE),
        job("old", verdict="BAD", outcome="failed", reason="It failed.", ended_at=long_ago),
        job("bad", verdict="BAD", outcome="failed", reason="It failed.", ended_at=LATE),
        job("strange", verdict="?", outcome="failed", reason="It failed.", ended_at=LATE),
    )
    table = build_jobs_table(made)
    assert table.columns[:4] == ("verdict", "count", "kind", "id")
    assert [(row[0], row[1], row[3], row[6]) for row in table.rows] == [
        ("BAD", "1", "coded", "app.import-error: It failed."),
        ("BAD", "1", "bad", "It failed."),
        ("WARN", "2", "waits", "It has waited to start for 85 s; usual are 60 s."),
        ("UNKNOWN", "25", "e00", "It ended in order; success is not proven."),
        ("?", "1", "strange", "It failed."),
        ("OK", "1", "ok", "It runs."),
        ("BAD", "1", "old", "It failed."),  # more than a day ago: it decides nothing
    ]
    assert build_jobs_table(made, 3).note == "and 28 more: GET /jobs."


@pytest.mark.parametrize(
    ("succeeded", "failed", "ended", "says"),
    [
        (4, 1, 32, "20.0 % of 5 whose end is proven, of 32 ended"),
        (12_345, 0, 54_321, "0.0 % of 12345 whose end is proven, of 54321 ended"),
        (None, None, None, "- of - whose end is proven, of - ended"),
    ],
)
def test_a_rate_has_its_numbers(succeeded: int | None, failed: int | None, ended: int | None, says: str) -> None:
    ratio = None if failed is None or succeeded is None else failed / (succeeded + failed)
    jobs = {"succeeded": succeeded, "failed": failed, "lost": 0, "ended": ended, "error_ratio": ratio}
    text = render_text(report(summary=Part(summary(jobs=jobs))), width=120)
    (line,) = [line for line in text.splitlines() if line.startswith("  job error rate")]
    assert line.removeprefix("  job error rate").strip().startswith(f"{says}  ")


@pytest.mark.parametrize("name", [*sorted(REPORTS), "many"])
def test_a_brief_report_is_short_whatever_there_is(name: str) -> None:
    many = report(
        *(job(f"{place:08}", verdict="BAD", kind=f"k{place}", reason=f"k{place} {LONG}") for place in range(100)),
        organs=[organ(f"o{place}", "Utility", message=LONG, status="degraded") for place in range(50)],
    )
    made = {**REPORTS, "many": many}[name]
    text = render_text(made, brief=True)
    assert len(text.splitlines()) <= 110
    assert [title for title in ("Nodes (", "Alerts", "Metrics of", "Steps of") if title in text] == []
    assert f"Verdict: {made.verdict}" in text
    assert ("What to do first" in text) is bool(made.findings)
    if name == "many":
        assert "     and 145 more." in text.splitlines()[-1]
        assert ("and 40 more." in text, "and 90 more: GET /jobs." in text) == (True, True)


def test_a_long_id_does_not_fill_the_report() -> None:
    (finding,) = report(job("x" * 260, verdict="WARN")).findings
    text = render_text(report(job("x" * 260, verdict="WARN")), width=120)
    assert len(finding.subject) == 54
    assert next(line for line in text.splitlines() if line.startswith("  1. WARN: job xxx")).count("x") < 80


@pytest.mark.parametrize("name", sorted(set(REPORTS) - {"infinite", "not a number", "hostile"}))
def test_every_rendering_is_the_same_after_json(name: str) -> None:
    made = REPORTS[name]
    again = parse_report(json.loads(json.dumps(made.to_json())))
    for render in (render_html, render_markdown, render_text):
        assert render(again) == render(made)


def test_an_installed_package_has_the_templates() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    package = ROOT / "serve_app"
    patterns = settings["tool"]["setuptools"]["package-data"]["serve_app"]
    kept = {path for pattern in patterns for path in package.glob(pattern)}
    assert set((package / "report/templates").iterdir()) - kept == set()
