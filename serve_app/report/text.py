"""The report for a terminal and as Markdown. Text of others can neither move the cursor nor break a table."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from serve_app.redaction import printable
from serve_app.report.content import Finding, Report

_COLOURS = {"OK": "32", "WARN": "33", "BAD": "31", "UNKNOWN": "36"}
_JOB_COLUMNS = ("verdict", "kind", "id", "outcome", "duration", "reason")
_ORGAN_COLUMNS = ("status", "organ", "type", "agents", "probe", "message")
_WIDEST = 46
_NARROWEST_SENTENCE = 30
_SENTENCE_LINES = 4


def render_text(report: Report, *, width: int = 120, colour: bool = False) -> str:
    """Tables of at most ``width`` columns."""
    lines = [f"Verdict: {report.verdict}   as of {report.as_of}", _cluster(report), "", "Organs"]
    lines += _table(_ORGAN_COLUMNS, _organ_rows(report), width)
    lines.append(_initialization(report))
    lines += ["", "Jobs (newest first)", *_table(_JOB_COLUMNS, _job_rows(report), width)]
    if report.more_jobs:
        lines.append("There are more: GET /jobs.")
    lines += ["", "What to do first" if report.findings else "Nothing to do."]
    for number, finding in enumerate(report.findings, 1):
        lines += _wrapped(
            f"{number:3}. {finding.verdict}: {_plain(finding.subject)}: {_plain(finding.sentence)}", width
        )
        lines += _wrapped(f"     -> {_plain(finding.action)}", width)
    text = "\n".join(lines) + "\n"
    return _painted(text) if colour else text


def render_markdown(report: Report) -> str:
    """The same as Markdown."""
    lines = [f"# {report.verdict}", "", f"As of {report.as_of}. {_cluster(report)}", "", "## What to do first", ""]
    lines += [
        f"{number}. **{finding.verdict}** " + _escaped(f"{finding.subject}: {finding.sentence} {finding.action}")
        for number, finding in enumerate(report.findings, 1)
    ] or ["Nothing."]
    lines += ["", "## Organs", "", *_markdown_table(_ORGAN_COLUMNS, _organ_rows(report)), ""]
    lines.append(_escaped(_initialization(report)))
    lines += ["", "## Jobs", "", *_markdown_table(_JOB_COLUMNS, _job_rows(report))]
    return "\n".join(lines) + "\n"


def _cluster(report: Report) -> str:
    alive = sum(1 for node in report.nodes if node.get("state") == "ALIVE")
    total, free = report.cluster.get("total") or {}, report.cluster.get("available") or {}
    cpus = f"{free.get('CPU', 0):g} of {total['CPU']:g} CPUs free" if "CPU" in total else "resources not known"
    return f"Cluster: {alive} of {len(report.nodes)} nodes alive, {cpus}"


def _initialization(report: Report) -> str:
    now = report.initialization
    return f"Initialization: {_plain(now.get('state', 'not known'))}. {_plain(now.get('sentence', ''))}"


def _organ_rows(report: Report) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for organ in report.organs:
        desired = organ["desired_agent_count"]
        probe = organ.get("last_probe") or {}
        latency = f"{probe['latency_s'] * 1000:.0f} ms" if probe.get("ok") else "no answer" if probe else "-"
        agents = f"{organ['agent_count']} of {'?' if desired is None else desired}"
        rows.append(
            (organ["status"], organ["organ_id"], organ["organ_type"], agents, latency, _plain(organ["message"]))
        )
    return rows


def _job_rows(report: Report) -> list[tuple[str, ...]]:
    return [
        (
            _plain(row.get("verdict")), _plain(row.get("kind")), _plain(row.get("id")), _plain(row.get("outcome")),
            _duration(row.get("duration_s")), _plain(row.get("reason")),
        )
        for row in report.jobs
    ]  # fmt: skip


def _duration(seconds: Any) -> str:
    if not isinstance(seconds, int | float):
        return "-"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Columns as wide as they need; the last, which holds sentences, is wrapped into what is left."""
    if not rows:
        return ["  (none)"]
    widths = [max(len(column), *(len(row[index]) for row in rows)) for index, column in enumerate(columns)]
    widths = [min(each, _WIDEST) for each in widths[:-1]]
    left = max(_NARROWEST_SENTENCE, width - sum(widths) - 2 * len(columns))
    lines: list[str] = []
    for row in (tuple(column.upper() for column in columns), *rows):
        cells = [_cut(cell, size).ljust(size) for cell, size in zip(row[:-1], widths, strict=True)]
        sentence = textwrap.wrap(row[-1], left, max_lines=_SENTENCE_LINES, placeholder=" …") or [""]
        lines.append(("  " + "  ".join([*cells, sentence[0]])).rstrip())
        lines += [" " * (2 + sum(widths) + 2 * len(widths)) + more for more in sentence[1:]]
    return lines


def _markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    return lines + [f"| {' | '.join(_escaped(cell) for cell in row)} |" for row in rows]


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(
        text,
        max(width, _NARROWEST_SENTENCE),
        subsequent_indent=" " * 8,
        max_lines=_SENTENCE_LINES,
        placeholder=" …",
        drop_whitespace=True,
    )


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(1, width - 1)] + "…"


def _plain(value: Any) -> str:
    return " ".join(printable("-" if value is None else str(value)).split())


def _escaped(value: Any) -> str:
    text = _plain(value).replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;")
    for character in "|*_`[]":
        text = text.replace(character, f"\\{character}")
    return text


def _painted(text: str) -> str:
    lines = []
    for line in text.split("\n"):
        word = next((word for word in line.replace(":", " ").split()[:3] if word in _COLOURS), None)
        lines.append(line.replace(word, f"\x1b[{_COLOURS[word]}m{word}\x1b[0m", 1) if word else line)
    return "\n".join(lines)


def report_of(content: Mapping[str, Any]) -> Report:
    """A report from its JSON, for the command line; what a newer application adds is left out."""
    known = {each.name: content[each.name] for each in fields(Report)}
    findings = tuple(Finding(**{each.name: row[each.name] for each in fields(Finding)}) for row in content["findings"])
    return Report(**{**known, "findings": findings, "degraded": tuple(content["degraded"])})
