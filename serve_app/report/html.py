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
from serve_app.report.causes import cause_line
from serve_app.report.content import Report
from serve_app.report.findings import Finding
from serve_app.report.timeline import LEFT, Bar, Picture, Span, draw
from serve_app.report.words import clock, duration, number, percent, plain, time_of, whole

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
    **dict.fromkeys(("ready", "done", "ALIVE"), "ok"),
    **dict.fromkeys(("starting", "degraded", "warning", "pending"), "warn"),
    **dict.fromkeys(("not_responding", "missing", "critical", "firing", "DEAD"), "bad"),
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
        as_of=clock(report.as_of),
        cluster=tables.cluster_line(report),
        findings=[_finding(each) for each in report.findings],
        picture=_picture(report),
        gauges=_gauges(report),
        causes=_causes(report),
        tables={
            name: getattr(tables, f"{name}_table")(report)
            for name in ("nodes", "organs", "lifecycle", "jobs", "metrics", "kinds", "failures", "alerts")
        },
        more={name: tables.more_line(report, name) for name in ("findings", "utilisation", "degraded")},
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


def _finding(finding: Finding) -> dict[str, Any]:
    hidden = finding.count - len(finding.examples)
    return {
        "verdict": finding.verdict,
        "subject": plain(finding.subject, 200),
        "sentence": plain(finding.sentence),
        "action": plain(finding.action),
        "cause": "" if finding.cause is None else plain(cause_line(finding.cause)),
        "evidence": "" if finding.cause is None else plain(finding.cause.evidence),
        "at": "" if time_of(finding.at) is None else clock(finding.at),
        "examples": [plain(each, 80) for each in finding.examples],
        "more": f"and {hidden} more" if finding.examples and hidden > 0 else "",
    }


def _picture(report: Report) -> dict[str, Any]:
    """The jobs that have begun, over time."""
    begun = [(row, start) for row in report.jobs if (start := time_of(row.get("started_at"))) is not None]
    spans = [Span(start.timestamp(), _end_s(row, start)) for row, start in begun]
    now = time_of(report.as_of)
    shapes = draw(spans, now.timestamp() if now is not None else max((span.start_s for span in spans), default=0.0))
    return {
        "shapes": shapes,
        "left": LEFT,
        "rows": [_row(begun[bar.index][0], bar) for bar in shapes.bars],
        "says": _says(shapes, report),
        "without": len(report.jobs) - len(begun),
    }


def _end_s(row: Mapping[str, Any], start: datetime) -> float | None:
    """When it ended; one that has ended at a time that nobody knows is drawn as a point."""
    if (end := time_of(row.get("ended_at"))) is not None:
        return end.timestamp()
    return None if row.get("outcome") in tuple(OPEN_OUTCOMES) else start.timestamp()


def _row(job: Mapping[str, Any], bar: Bar) -> _Row:
    tone = _TONES.get(str(job.get("verdict")), "unknown")
    until = "now" if bar.arrow else clock(job.get("ended_at"))
    when = f"{clock(job.get('started_at'))} to {until} UTC ({duration(job.get('duration_s'))})"
    what = f"{plain(job.get('kind'), 60)} {plain(job.get('id'), 80)}"
    title = f"{plain(job.get('verdict'), 20)}: {what}, {plain(job.get('outcome'), 40)}, {when}. "
    return _Row(bar, tone, plain(f"{_MARKS[tone]} {what}", _LABEL_CHARS), title + plain(job.get("reason"), 300))


def _says(shapes: Picture, report: Report) -> str:
    words = [f"One bar for each of {len(shapes.bars)} jobs until {clock(report.as_of)} UTC; the table has the same."]
    if shapes.not_drawn:
        words.append(f"{shapes.not_drawn} older jobs are not drawn.")
    return " ".join(words)


def _gauges(report: Report) -> list[tuple[str, list[_Gauge]]]:
    """What each node really uses: a bar for CPU, memory, disk and, where there are some, GPUs."""
    nodes = (report.metrics.get("utilisation") or {}).get("nodes") or ()
    return [(_node_label(node), [gauge for name in _RESOURCES if (gauge := _gauge(node, name))]) for node in nodes]


_RESOURCES = {"cpu": "CPU", "memory": "Memory", "disk": "Disk", "gpu": "GPU"}


def _node_label(node: Mapping[str, Any]) -> str:
    head = " (head)" if node.get("is_head") else ""
    return f"{plain(node.get('node_id'), 12)}{head} {plain(node.get('ip'), 45)}"


def _gauge(node: Mapping[str, Any], name: str) -> _Gauge | None:
    ratio = node.get(f"{name}_ratio") or {}
    now, most = number(ratio.get("now")), number(ratio.get("max"))
    if now is None:
        return None
    text = percent(now) + ("" if most is None else f", at most {percent(most)}")
    tone = "warn" if now > _HIGH else "plain"
    return _Gauge(_RESOURCES[name], text, _share(now), None if most is None else _share(most), tone)


def _causes(report: Report) -> list[_Gauge]:
    """Failures by cause, as long as they are frequent."""
    causes = report.metrics.get("failures_by_cause") or ()
    counts = [number(each.get("count")) or 0.0 for each in causes]
    top = max([1.0, *counts])
    texts = [f"{whole(count)}, as {plain(each.get('example'), 80)}" for each, count in zip(causes, counts, strict=True)]
    return [
        _Gauge(plain(each.get("cause"), 200), text, _share(count / top), None, "bad")
        for each, text, count in zip(causes, texts, counts, strict=True)
    ]


def _share(ratio: float) -> float:
    return round(min(max(ratio, 0.0), 1.0) * 100, 1)


def _tone(cell: str, column: str) -> str:
    """The colour of a word, or nothing."""
    return _WORDS.get(cell, "") if column in _WORD_COLUMNS else ""


def _page() -> Template:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["of_others"] = plain
    environment.globals.update(tone_of=_tone, tones=_TONES, marks=_MARKS, number_columns=_NUMBER_COLUMNS)
    return environment.get_template("report.html.j2")


_PAGE = _page()
