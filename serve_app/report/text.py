"""The report for a terminal and as Markdown. Text of others can neither move the cursor nor break a table."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from typing import Any

from serve_app.report.alike import ReportFinding
from serve_app.report.causes import render_cause
from serve_app.report.content import Report
from serve_app.report.tables import (
    Table,
    build_alerts_table,
    build_failures_table,
    build_jobs_table,
    build_kinds_table,
    build_lifecycle_table,
    build_metrics_table,
    build_nodes_table,
    build_organs_table,
    build_receivers_table,
    describe_cluster,
    describe_rest,
)
from serve_app.report.words import clean_line

_COLOURS = {"OK": "32", "WARN": "33", "BAD": "31", "UNKNOWN": "36"}
_WIDEST = 46
# Sentences of ours, which are of use only whole.
_WIDEST_OF = {"value": 60}
_NARROWEST_SENTENCE = 30
_SENTENCE_LINES = 4
_SUBJECT_CHARS = 80
# What to do first names those that need it; a terminal or a ticket is no place for a hundred rows.
_MOST_JOBS = 30
# Whoever starts the application wants to see that it runs, and what is worst.
_BRIEF_ROWS = 10
_BRIEF_FINDINGS = 5
_BRIEF_LINES = 2


def render_text(report: Report, *, width: int = 120, colour: bool = False, brief: bool = False) -> str:
    """Tables of at most ``width`` columns; what to do first is last, where a terminal shows it.

    ``brief``: only organs, the jobs that matter most and what to do first, in some hundred lines whatever there is.
    """
    verdict, most_lines = _paint(report.verdict, colour=colour), _BRIEF_LINES if brief else _SENTENCE_LINES
    lines = [f"Verdict: {verdict}   as of {clean_line(report.as_of)}", f"Cluster: {describe_cluster(report)}"]
    for table in _choose_brief_tables(report) if brief else _choose_tables(report):
        lines += ["", table.title, *_render_rows(table, width, most_lines, colour=colour)]
    lines += ["", "What to do first" if report.findings else "Nothing to do."]
    shown = report.findings[:_BRIEF_FINDINGS] if brief else report.findings
    for place, finding in enumerate(shown, 1):
        begin, says = (
            f"{place:3}. {finding.verdict}",
            f": {clean_line(finding.subject, _SUBJECT_CHARS)}: {clean_line(finding.sentence)}",
        )
        first, *others = _wrap_text(begin + says, width, most_lines)
        lines += [f"{place:3}. {_paint(finding.verdict, colour=colour)}{first[len(begin) :]}", *others]
        if finding.examples:
            lines += _wrap_text(f"     {_render_examples(finding)}", width, most_lines)
        lines += [
            line for text in _render_cause_lines(finding) for line in _wrap_text(f"     {text}", width, most_lines)
        ]
        lines += _wrap_text(f"     -> {clean_line(finding.action)}", width, most_lines)
    hidden = len(report.findings) - len(shown) + report.more.get("findings", 0)
    lines += [f"     and {hidden} more."] if hidden else []
    return "\n".join(lines) + "\n"


def render_markdown(report: Report) -> str:
    """The same as Markdown."""
    as_of = f"As of {_escape(report.as_of)}. Cluster: {_escape(describe_cluster(report))}."
    lines = [f"# {report.verdict}", "", as_of, "", "## What to do first", ""]
    lines += [
        f"{place}. **{finding.verdict}** "
        + _escape(
            " ".join(
                filter(
                    None,
                    (
                        f"{finding.subject}: {finding.sentence}",
                        _render_examples(finding),
                        *_render_cause_lines(finding),
                    ),
                )
            )
        )
        + f" {_escape(finding.action)}"
        for place, finding in enumerate(report.findings, 1)
    ] or ["Nothing."]
    lines += ["", more] if (more := describe_rest(report, "findings")) else []
    for table in _choose_tables(report):
        lines += ["", f"## {_escape(table.title)}", "", *_render_markdown_table(table)]
    return "\n".join(lines) + "\n"


def _choose_tables(report: Report) -> list[Table]:
    """Those that always say something, and of the others those that have rows."""
    optional = [table for table in (build_kinds_table(report), build_failures_table(report)) if table.rows]
    lifecycle = [table for table in [build_lifecycle_table(report)] if table.rows]
    receivers = [table for table in [build_receivers_table(report)] if table.rows]
    measured = [build_metrics_table(report), *optional]
    return [
        build_nodes_table(report),
        build_organs_table(report),
        *lifecycle,
        build_jobs_table(report, _MOST_JOBS),
        *measured,
        build_alerts_table(report),
        *receivers,
    ]


def _choose_brief_tables(report: Report) -> list[Table]:
    organs = build_organs_table(report)
    hidden = len(organs.rows) - _BRIEF_ROWS
    if hidden > 0:
        organs = replace(organs, rows=organs.rows[:_BRIEF_ROWS], note=f"and {hidden} more. {organs.note}")
    return [organs, build_jobs_table(report, _BRIEF_ROWS)]


def _render_examples(finding: ReportFinding) -> str:
    if not finding.examples:
        return ""
    hidden = finding.count - len(finding.examples)
    names = ", ".join(clean_line(each, _WIDEST) for each in finding.examples)
    return f"({names}{f' and {hidden} more' if hidden > 0 else ''})"


def _render_cause_lines(finding: ReportFinding) -> list[str]:
    """The cause, and the line that proves it."""
    cause = finding.cause
    if cause is None:
        return []
    return [
        f"Cause: {clean_line(render_cause(cause))}",
        *([f"Evidence: {clean_line(cause.evidence)}"] if cause.evidence else []),
    ]


def _render_rows(table: Table, width: int, most_lines: int, *, colour: bool) -> list[str]:
    """Columns as wide as they need; the last, which holds sentences, is wrapped into what is left.

    A column of verdicts is the first, and shows them in their colours.
    """
    if not table.rows:
        return _wrap_text(f"  {table.note or '(none)'}", width, most_lines)
    widths = [max(len(column), *(len(row[at]) for row in table.rows)) for at, column in enumerate(table.columns)]
    names = table.columns[:-1]
    widths = [min(each, _WIDEST_OF.get(name, _WIDEST)) for name, each in zip(names, widths[:-1], strict=True)]
    left = max(_NARROWEST_SENTENCE, width - sum(widths) - 2 * len(table.columns))
    lines: list[str] = []
    for row in (tuple(column.upper() for column in table.columns), *table.rows):
        cells = [_cut(cell, size).ljust(size) for cell, size in zip(row[:-1], widths, strict=True)]
        if table.columns[0] == "verdict" and row[0] in _COLOURS:
            cells[0] = _paint(row[0], colour=colour) + cells[0][len(row[0]) :]
        sentence = textwrap.wrap(row[-1], left, max_lines=most_lines, placeholder=" …") or [""]
        lines.append(("  " + "  ".join([*cells, sentence[0]])).rstrip())
        lines += [" " * (2 + sum(widths) + 2 * len(widths)) + more for more in sentence[1:]]
    return lines + (_wrap_text(f"  {table.note}", width, most_lines) if table.note else [])


def _render_markdown_table(table: Table) -> list[str]:
    if not table.rows:
        return [_escape(table.note or "None.")]
    lines = [f"| {' | '.join(table.columns)} |", f"|{'---|' * len(table.columns)}"]
    lines += [f"| {' | '.join(_escape(cell) for cell in row)} |" for row in table.rows]
    return [*lines, "", _escape(table.note)] if table.note else lines


def _wrap_text(text: str, width: int, most_lines: int) -> list[str]:
    return textwrap.wrap(
        text,
        max(width, _NARROWEST_SENTENCE),
        subsequent_indent=" " * 8,
        max_lines=most_lines,
        placeholder=" …",
        drop_whitespace=True,
    )


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(1, width - 1)] + "…"


def _escape(value: Any) -> str:
    text = clean_line(value).replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;")
    for character in "|*_`[]":
        text = text.replace(character, f"\\{character}")
    return text


def _paint(verdict: str, *, colour: bool) -> str:
    return f"\x1b[{_COLOURS[verdict]}m{verdict}\x1b[0m" if colour and verdict in _COLOURS else verdict
