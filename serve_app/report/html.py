"""The report as one HTML page: no script, nothing from elsewhere, a style that its policy names by its hash.

What is shown is made here as plain text and numbers; Jinja2 escapes all of it, and the template only arranges.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from serve_app.outcomes import OPEN_OUTCOMES
from serve_app.report import tables
from serve_app.report.alike import ReportFinding
from serve_app.report.causes import render_cause
from serve_app.report.content import Report
from serve_app.report.timeline import LEFT, Bar, Picture, Span, draw
from serve_app.report.words import (
    clean_line,
    format_clock,
    format_count,
    format_duration,
    format_percent,
    parse_number,
    parse_time,
)

_TEMPLATES = Path(__file__).parent / "templates"
_STYLE = (_TEMPLATES / "report.css").read_text(encoding="utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
# The page carries it, too, for whoever saves it to a file; what only a header can say is added to that.
_POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'"
CONTENT_SECURITY_POLICY = f"{_POLICY}; frame-ancestors 'none'"

_TONES = {"OK": "ok", "WARN": "warn", "BAD": "bad", "UNKNOWN": "unknown"}
_MARKS = {"ok": "✓", "warn": "!", "bad": "✕", "unknown": "?"}
# Our words in cells of the columns that hold such words; whatever else stands there has no colour.
_WORDS = {
    **_TONES,
    **dict.fromkeys(("ready", "asleep", "waking", "done", "ALIVE"), "ok"),
    **dict.fromkeys(("starting", "degraded", "warning", "pending"), "warn"),
    **dict.fromkeys(("not_responding", "unplaceable", "missing", "critical", "firing", "DEAD"), "bad"),
    "unknown": "unknown",
}
_WORD_COLUMNS = frozenset({"verdict", "status", "state", "severity"})
_NUMBER_COLUMNS = frozenset(
    (
        "count", "ended", "failed", "success", "p50", "p95", "p99", "most", "duration", "took", "after head", "agents",
        "probe", "CPU", "memory", "disk", "GPU", "in", "out", "at (UTC)", "since (UTC)",
    )
)  # fmt: skip
_LABEL_CHARS = 34
# Above this a bar is marked: the threshold of the guide for CPU and memory.
_HIGH = 0.8


def render_html(report: Report) -> str:
    """The page."""
    return _PAGE.render(
        report=report,
        style=_STYLE,
        policy=_POLICY,
        as_of=format_clock(report.as_of),
        cluster=tables.describe_cluster(report),
        findings=[_render_finding(each) for each in report.findings],
        picture=_draw_jobs(report),
        gauges=_build_gauges(report),
        causes=_build_cause_gauges(report),
        tables={
            name: getattr(tables, f"build_{name}_table")(report)
            for name in ("nodes", "organs", "lifecycle", "jobs", "metrics", "kinds", "failures", "alerts", "receivers")
        },
        more={name: tables.describe_rest(report, name) for name in ("findings", "utilisation", "degraded")},
    )


@dataclass(frozen=True)
class _Row:
    """A job in the picture: its shape, and what is written to it."""

    bar: Bar
    tone: str
    label: str
    title: str


@dataclass(frozen=True)
class _Gauge:
    """A bar for one number: ``now`` and ``most`` of 100, ``most`` None when there is only one number."""

    label: str
    text: str
    now: float
    most: float | None
    tone: str


def _render_finding(finding: ReportFinding) -> dict[str, Any]:
    hidden = finding.count - len(finding.examples)
    return {
        "verdict": finding.verdict,
        "subject": clean_line(finding.subject, 200),
        "sentence": clean_line(finding.sentence),
        "action": clean_line(finding.action),
        "cause": "" if finding.cause is None else clean_line(render_cause(finding.cause)),
        "evidence": "" if finding.cause is None else clean_line(finding.cause.evidence),
        "at": "" if parse_time(finding.at) is None else format_clock(finding.at),
        "examples": [clean_line(each, 80) for each in finding.examples],
        "more": f"and {hidden} more" if finding.examples and hidden > 0 else "",
    }


def _draw_jobs(report: Report) -> dict[str, Any]:
    """The jobs that have begun, over time."""
    begun = [(row, start) for row in report.jobs if (start := parse_time(row.get("started_at"))) is not None]
    spans = [Span(start.timestamp(), _find_end_s(row, start)) for row, start in begun]
    now = parse_time(report.as_of)
    shapes = draw(spans, now.timestamp() if now is not None else max((span.start_s for span in spans), default=0.0))
    return {
        "shapes": shapes,
        "left": LEFT,
        "rows": [_build_row(begun[bar.index][0], bar) for bar in shapes.bars],
        "says": _describe_picture(shapes, report),
        "without": len(report.jobs) - len(begun),
    }


def _find_end_s(row: Mapping[str, Any], start: datetime) -> float | None:
    """When it ended; one that has ended at a time that nobody knows is drawn as a point."""
    if (end := parse_time(row.get("ended_at"))) is not None:
        return end.timestamp()
    return None if row.get("outcome") in tuple(OPEN_OUTCOMES) else start.timestamp()


def _build_row(job: Mapping[str, Any], bar: Bar) -> _Row:
    tone = _TONES.get(str(job.get("verdict")), "unknown")
    until = "now" if bar.arrow else format_clock(job.get("ended_at"))
    when = f"{format_clock(job.get('started_at'))} to {until} UTC ({format_duration(job.get('duration_s'))})"
    what = f"{clean_line(job.get('kind'), 60)} {clean_line(job.get('id'), 80)}"
    title = f"{clean_line(job.get('verdict'), 20)}: {what}, {clean_line(job.get('outcome'), 40)}, {when}. "
    return _Row(
        bar, tone, clean_line(f"{_MARKS[tone]} {what}", _LABEL_CHARS), title + clean_line(job.get("reason"), 300)
    )


def _describe_picture(shapes: Picture, report: Report) -> str:
    words = [
        f"One bar for each of {len(shapes.bars)} jobs until {format_clock(report.as_of)} UTC; the table has the same."
    ]
    if shapes.not_drawn:
        words.append(f"{shapes.not_drawn} older jobs are not drawn.")
    return " ".join(words)


def _build_gauges(report: Report) -> list[tuple[str, list[_Gauge]]]:
    """What each node really uses: a bar for CPU, memory, disk and, where there are some, GPUs."""
    nodes = (report.metrics.get("utilisation") or {}).get("nodes") or ()
    return [
        (_describe_node(node), [gauge for name in _RESOURCES if (gauge := _build_gauge(node, name))]) for node in nodes
    ]


_RESOURCES = {"cpu": "CPU", "memory": "Memory", "disk": "Disk", "gpu": "GPU"}


def _describe_node(node: Mapping[str, Any]) -> str:
    head = " (head)" if node.get("is_head") else ""
    return f"{clean_line(node.get('node_id'), 12)}{head} {clean_line(node.get('ip'), 45)}"


def _build_gauge(node: Mapping[str, Any], name: str) -> _Gauge | None:
    ratio = node.get(f"{name}_ratio") or {}
    now, most = parse_number(ratio.get("now")), parse_number(ratio.get("max"))
    if now is None:
        return None
    text = format_percent(now) + ("" if most is None else f", at most {format_percent(most)}")
    tone = "warn" if now > _HIGH else "plain"
    return _Gauge(_RESOURCES[name], text, _clamp_share(now), None if most is None else _clamp_share(most), tone)


def _build_cause_gauges(report: Report) -> list[_Gauge]:
    """Failures by cause, as long as they are frequent."""
    causes = report.metrics.get("failures_by_cause") or ()
    counts = [parse_number(each.get("count")) or 0.0 for each in causes]
    top = max([1.0, *counts])
    texts = [
        f"{format_count(count)}, as {clean_line(each.get('example'), 80)}"
        for each, count in zip(causes, counts, strict=True)
    ]
    return [
        _Gauge(clean_line(each.get("cause"), 200), text, _clamp_share(count / top), None, "bad")
        for each, text, count in zip(causes, texts, counts, strict=True)
    ]


def _clamp_share(ratio: float) -> float:
    return round(min(max(ratio, 0.0), 1.0) * 100, 1)


def _choose_tone(cell: str, column: str) -> str:
    """The colour of a word, or nothing."""
    return _WORDS.get(cell, "") if column in _WORD_COLUMNS else ""


def _load_page() -> Template:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["of_others"] = clean_line
    environment.globals.update(tone_of=_choose_tone, tones=_TONES, marks=_MARKS, number_columns=_NUMBER_COLUMNS)
    return environment.get_template("report.html.j2")


_PAGE = _load_page()
