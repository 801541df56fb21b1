"""The report as tables of plain text, the same for every rendering; each tells what it leaves out. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from serve_app.queries.job_names import shorten_id
from serve_app.report.alike import ORDER, generalize
from serve_app.report.content import MAX_JOBS, Report, is_recent
from serve_app.report.words import (
    NOTHING,
    clean_line,
    format_byte_rate,
    format_clock,
    format_count,
    format_duration,
    format_latency,
    format_percent,
    parse_number,
    parse_time,
)

_CELL_CHARS = 300


@dataclass(frozen=True)
class Table:
    """A title, columns, rows of cells, and a note: what is left out, or why there is nothing."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def describe_cluster(report: Report) -> str:
    """Nodes alive and CPUs free, in a line."""
    hidden = report.more.get("nodes", 0)
    alive = sum(1 for node in report.nodes if node.get("state") == "ALIVE")
    of_all = f"{alive} of {len(report.nodes)} nodes alive" + (f" (and {hidden} more nodes)" if hidden else "")
    total, free = report.cluster.get("total") or {}, report.cluster.get("available") or {}
    cpus = parse_number(total.get("CPU"))
    logical = "resources not known" if cpus is None else f"{parse_number(free.get('CPU')) or 0:g} of {cpus:g} CPUs free"
    use = parse_number(((report.metrics.get("utilisation") or {}).get("cpu_ratio") or {}).get("now"))
    return f"{of_all}, {logical}" + ("" if use is None else f", {format_percent(use)} of CPU in use")


def build_organs_table(report: Report) -> Table:
    """Organs with the live probe of each, and where initialization stands."""
    rows = tuple(
        _render_cells(
            organ.get("status"), organ.get("organ_id"), organ.get("organ_type"), _describe_agents(organ),
            _describe_probe(organ.get("last_probe") or {}), organ.get("message"),
        )
        for organ in report.organs
    )  # fmt: skip
    columns = ("status", "organ", "type", "agents", "probe", "message")
    note = f"{describe_rest(report, 'organs')} {_describe_initialization(report)}".strip()
    return Table("Organs, each with a live probe", columns, rows, note)


def build_lifecycle_table(report: Report) -> Table:
    """The steps of the start-up, with when they came after the head was up."""
    rows = tuple(
        _render_cells(
            step.get("state"), step.get("title"), format_clock(step.get("at")), _describe_after(step.get("after_s")),
            format_duration(step.get("duration_s")), step.get("source"),
        )
        for step in report.lifecycle
    )  # fmt: skip
    columns = ("state", "step", "at (UTC)", "after head", "took", "known from")
    return Table("Steps of the start-up", columns, rows, describe_rest(report, "lifecycle"))


def build_nodes_table(report: Report) -> Table:
    """Nodes, with what they really use: now, on average and at most in the window."""
    utilisation = report.metrics.get("utilisation") or {}
    used = {str(node.get("node_id")): node for node in utilisation.get("nodes") or ()}
    rows = tuple(_build_node_cells(node, used.get(str(node.get("node_id"))) or {}) for node in report.nodes)
    columns = ("state", "node", "address", "CPU", "memory", "disk", "GPU", "in", "out")
    reason = utilisation.get("reason")
    note = f"What the nodes really use is not known: {clean_line(reason)}" if reason else ""
    return Table("Nodes (used now / mean / most)", columns, rows, f"{describe_rest(report, 'nodes')} {note}".strip())


def build_jobs_table(report: Report, most: int = MAX_JOBS) -> Table:
    """Jobs with their verdicts, the worst first; alike ones are one row, which tells of the newest of them and how many
    there are. What ended long ago decides nothing, so it comes last. A terminal shows fewer rows than there are.
    """
    now = parse_time(report.as_of)
    alike: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in report.jobs:
        words = [str(row.get(name)) for name in ("verdict", "kind", "outcome", "code")]
        alike.setdefault((_rank_job(row, now), *words, generalize(_explain_verdict(row))), []).append(row)
    ranked = [many for _, many in sorted(alike.items(), key=lambda each: each[0][0])]
    rows = tuple(
        _render_cells(
            many[0].get("verdict"), len(many), many[0].get("kind"), shorten_id(str(many[0].get("id"))),
            many[0].get("outcome"),
            format_duration(many[0].get("duration_s")),
            _explain_verdict(many[0]),
        )
        for many in ranked[:most]
    )  # fmt: skip
    hidden = sum(len(many) for many in ranked[most:]) + report.more.get("jobs", 0)
    note = "There are more: GET /jobs." if report.more_jobs and "jobs" not in report.more else ""
    note = note or (f"and {hidden} more: GET /jobs." if hidden else "")
    columns = ("verdict", "count", "kind", "id", "outcome", "duration", "reason")
    return Table("Jobs (worst first, alike ones in one row)", columns, rows, note)


def build_metrics_table(report: Report) -> Table:
    """Success rate, durations, error rate and response times of the window; nothing measured, no rows."""
    title, columns = (
        f"Metrics of the last {clean_line(report.window)}",
        ("measure", "value", "p50", "p95", "p99", "most"),
    )
    metrics = report.metrics
    if not metrics:
        return Table(title, columns, (), "They are not known.")
    jobs, took, answers = (metrics.get(name) or {} for name in ("jobs", "duration_s", "responses"))
    ended = _describe_ended(jobs)
    none = (NOTHING,) * 4
    return Table(
        title,
        columns,
        (
            ("job success rate", f"{format_percent(jobs.get('success_ratio'))} of {ended}", *none),
            ("job error rate", f"{format_percent(jobs.get('error_ratio'))} of {ended}", *none),
            (
                "job duration", f"{format_count(took.get('count'))} measured",
                *(format_duration(took.get(name)) for name in ("p50", "p95", "p99", "max")),
            ),
            (
                "API response time",
                f"{format_count(answers.get('count'))} answers, {format_count(answers.get('errors'))} errors",
                *(format_latency(answers.get(name)) for name in ("p50_s", "p95_s", "p99_s", "max_s")),
            ),
        ),
    )  # fmt: skip


def build_kinds_table(report: Report) -> Table:
    """The same for each kind of job that ended in the window."""
    kinds: Mapping[str, Mapping[str, Any]] = report.metrics.get("by_kind") or {}
    rows = tuple(
        _render_cells(
            kind, format_count(each.get("ended")), format_count(each.get("failed")),
            format_percent(each.get("success_ratio")),
            *(format_duration(each.get(name)) for name in ("p50_s", "p95_s", "p99_s")),
        )
        for kind, each in kinds.items()
    )  # fmt: skip
    columns = ("kind", "ended", "failed", "success", "p50", "p95", "p99")
    return Table(
        f"Kinds of jobs that ended in the last {clean_line(report.window)}",
        columns,
        rows,
        describe_rest(report, "kinds"),
    )


def build_failures_table(report: Report) -> Table:
    """Failures of the window by cause, the most frequent first."""
    causes: Sequence[Mapping[str, Any]] = report.metrics.get("failures_by_cause") or ()
    rows = tuple(
        _render_cells(format_count(each.get("count")), each.get("example"), each.get("cause")) for each in causes
    )
    title = f"Failures of the last {clean_line(report.window)} by cause"
    return Table(title, ("count", "example", "cause"), rows, describe_rest(report, "causes"))


def build_alerts_table(report: Report) -> Table:
    """Alerts, those that fire first."""
    rows = tuple(
        _render_cells(
            f"{alert.get('state')}{', silenced' if alert.get('silenced') else ''}", alert.get("severity"),
            alert.get("rule"), alert.get("subject"),
            format_clock(alert.get("firing_since") or alert.get("pending_since")),
            alert.get("sentence"),
        )
        for alert in report.alerts
    )  # fmt: skip
    columns = ("state", "severity", "rule", "subject", "since (UTC)", "what")
    note = describe_rest(report, "alerts") or ("There are more: GET /alerts." if report.more_alerts else "")
    return Table("Alerts", columns, rows, note)


def build_receivers_table(report: Report) -> Table:
    """Webhooks that do not take what they are told."""
    rows = tuple(
        _render_cells(
            each.get("name"), format_clock(each.get("failing_since")), format_count(each.get("failures")),
            format_clock(each.get("next_at")), each.get("sentence"),
        )
        for each in report.receivers
    )  # fmt: skip
    columns = ("receiver", "failing since (UTC)", "attempts", "next (UTC)", "what")
    return Table("Receivers of alerts that fail", columns, rows, "")


def describe_rest(report: Report, name: str) -> str:
    """What a list leaves out, as ``and 3 more.``, or nothing."""
    hidden = report.more.get(name, 0)
    return f"and {hidden} more." if hidden else ""


def _render_cells(*values: Any) -> tuple[str, ...]:
    return tuple(clean_line(value, _CELL_CHARS) for value in values)


def _rank_job(row: Mapping[str, Any], now: datetime | None) -> tuple[bool, int]:
    """Among equals the newest is first, as they come."""
    verdict = str(row.get("verdict"))
    recent = now is None or is_recent(row, now)
    return not recent, ORDER.index(verdict) if verdict in ORDER else ORDER.index("UNKNOWN")


def _explain_verdict(row: Mapping[str, Any]) -> str:
    """Why it has its verdict, after the code of its diagnosis."""
    return f"{row['code']}: {row.get('reason')}" if row.get("code") else clean_line(row.get("reason"))


def _describe_initialization(report: Report) -> str:
    now = report.initialization
    return (
        f"Initialization: {clean_line(now.get('state', 'not known'))}. {clean_line(now.get('sentence', ''))}".rstrip()
    )


def _describe_ended(jobs: Mapping[str, Any]) -> str:
    """Of how many a rate is: what ended without proof, on request or made good counts neither way."""
    counts = [parse_number(jobs.get(name)) for name in ("succeeded", "failed", "lost")]
    proven = NOTHING if None in counts else format_count(sum(each or 0 for each in counts))
    doubtful = parse_number(jobs.get("contradicted")) or 0
    doubt = f", {doubtful:g} contradicted" if doubtful else ""
    return f"{proven} whose end is proven, of {format_count(jobs.get('ended'))} ended{doubt}"


def _describe_agents(organ: Mapping[str, Any]) -> str:
    desired = organ.get("desired_agent_count")
    # While Serve updates, nobody tells how many there shall be.
    return f"{organ.get('agent_count')}" if desired is None else f"{organ.get('agent_count')} of {desired}"


def _describe_probe(probe: Mapping[str, Any]) -> str:
    return format_latency(probe.get("latency_s")) if probe.get("ok") else "no answer" if probe else NOTHING


def _describe_after(seconds: Any) -> str:
    text = format_duration(seconds)
    return text if text == NOTHING or text.startswith("-") else f"+{text}"


def _build_node_cells(node: Mapping[str, Any], used: Mapping[str, Any]) -> tuple[str, ...]:
    ratios = (_render_three(used.get(f"{name}_ratio")) for name in ("cpu", "memory", "disk", "gpu"))
    rates = (format_byte_rate((used.get(f"network_{way}_bytes_per_s") or {}).get("now")) for way in ("receive", "send"))
    head = " (head)" if node.get("is_head") else ""
    return _render_cells(
        node.get("state"), f"{clean_line(node.get('node_id'), 12)}{head}", node.get("ip"), *ratios, *rates
    )


def _render_three(ratio: Mapping[str, Any] | None) -> str:
    if not ratio or parse_number(ratio.get("now")) is None:
        return NOTHING
    return format_percent(*(ratio.get(name) for name in ("now", "mean", "max")))
