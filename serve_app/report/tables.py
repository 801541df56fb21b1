"""The report as tables of plain text, the same for every rendering; each tells what it leaves out. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serve_app.report.content import MAX_JOBS, Report
from serve_app.report.words import NOTHING, byte_rate, clock, duration, latency, number, percent, plain, whole

_CELL_CHARS = 300


@dataclass(frozen=True)
class Table:
    """A title, columns, rows of cells, and a note: what is left out, or why there is nothing."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def cluster_line(report: Report) -> str:
    """Nodes alive and CPUs free, in a line."""
    hidden = report.more.get("nodes", 0)
    alive = sum(1 for node in report.nodes if node.get("state") == "ALIVE")
    of_all = f"{alive} of {len(report.nodes)} nodes alive" + (f" (and {hidden} more nodes)" if hidden else "")
    total, free = report.cluster.get("total") or {}, report.cluster.get("available") or {}
    cpus = number(total.get("CPU"))
    logical = "resources not known" if cpus is None else f"{number(free.get('CPU')) or 0:g} of {cpus:g} CPUs free"
    use = number(((report.metrics.get("utilisation") or {}).get("cpu_ratio") or {}).get("now"))
    return f"{of_all}, {logical}" + ("" if use is None else f", {percent(use)} of CPU in use")


def organs_table(report: Report) -> Table:
    """Organs with the live probe of each, and where initialization stands."""
    rows = tuple(
        _cells(
            organ.get("status"), organ.get("organ_id"), organ.get("organ_type"), _agents(organ),
            _probe(organ.get("last_probe") or {}), organ.get("message"),
        )
        for organ in report.organs
    )  # fmt: skip
    columns = ("status", "organ", "type", "agents", "probe", "message")
    note = f"{more_line(report, 'organs')} {_initialization(report)}".strip()
    return Table("Organs, each with a live probe", columns, rows, note)


def lifecycle_table(report: Report) -> Table:
    """The steps of the start-up, with when they came after the head was up."""
    rows = tuple(
        _cells(
            step.get("state"), step.get("title"), clock(step.get("at")), _after(step.get("after_s")),
            duration(step.get("duration_s")), step.get("source"),
        )
        for step in report.lifecycle
    )  # fmt: skip
    columns = ("state", "step", "at (UTC)", "after head", "took", "known from")
    return Table("Steps of the start-up", columns, rows, more_line(report, "lifecycle"))


def nodes_table(report: Report) -> Table:
    """Nodes, with what they really use: now, on average and at most in the window."""
    utilisation = report.metrics.get("utilisation") or {}
    used = {str(node.get("node_id")): node for node in utilisation.get("nodes") or ()}
    rows = tuple(_node(node, used.get(str(node.get("node_id"))) or {}) for node in report.nodes)
    columns = ("state", "node", "address", "CPU", "memory", "disk", "GPU", "in", "out")
    reason = utilisation.get("reason")
    note = f"What the nodes really use is not known: {plain(reason)}" if reason else ""
    return Table("Nodes (used now / mean / most)", columns, rows, f"{more_line(report, 'nodes')} {note}".strip())


def jobs_table(report: Report, most: int = MAX_JOBS) -> Table:
    """Jobs with their verdicts, newest first; a terminal shows fewer than there are."""
    rows = tuple(
        _cells(
            row.get("verdict"), row.get("kind"), row.get("id"), row.get("outcome"), duration(row.get("duration_s")),
            _reason(row),
        )
        for row in report.jobs[:most]
    )  # fmt: skip
    hidden = max(0, len(report.jobs) - most) + report.more.get("jobs", 0)
    note = "There are more: GET /jobs." if report.more_jobs and "jobs" not in report.more else ""
    note = note or (f"and {hidden} more: GET /jobs." if hidden else "")
    return Table("Jobs (newest first)", ("verdict", "kind", "id", "outcome", "duration", "reason"), rows, note)


def metrics_table(report: Report) -> Table:
    """Success rate, durations, error rate and response times of the window; nothing measured, no rows."""
    title, columns = f"Metrics of the last {plain(report.window)}", ("measure", "value", "p50", "p95", "p99", "most")
    metrics = report.metrics
    if not metrics:
        return Table(title, columns, (), "They are not known.")
    jobs, took, answers = (metrics.get(name) or {} for name in ("jobs", "duration_s", "responses"))
    ended = whole(jobs.get("ended"))
    none = (NOTHING,) * 4
    return Table(
        title,
        columns,
        (
            ("job success rate", f"{percent(jobs.get('success_ratio'))} of {ended} ended", *none),
            ("job error rate", f"{percent(jobs.get('error_ratio'))} of {ended} ended", *none),
            (
                "job duration", f"{whole(took.get('count'))} measured",
                *(duration(took.get(name)) for name in ("p50", "p95", "p99", "max")),
            ),
            (
                "API response time", f"{whole(answers.get('count'))} answers, {whole(answers.get('errors'))} errors",
                *(latency(answers.get(name)) for name in ("p50_s", "p95_s", "p99_s", "max_s")),
            ),
        ),
    )  # fmt: skip


def kinds_table(report: Report) -> Table:
    """The same for each kind of job that ended in the window."""
    kinds: Mapping[str, Mapping[str, Any]] = report.metrics.get("by_kind") or {}
    rows = tuple(
        _cells(
            kind, whole(each.get("ended")), whole(each.get("failed")), percent(each.get("success_ratio")),
            *(duration(each.get(name)) for name in ("p50_s", "p95_s", "p99_s")),
        )
        for kind, each in kinds.items()
    )  # fmt: skip
    columns = ("kind", "ended", "failed", "success", "p50", "p95", "p99")
    return Table(
        f"Kinds of jobs that ended in the last {plain(report.window)}", columns, rows, more_line(report, "kinds")
    )


def failures_table(report: Report) -> Table:
    """Failures of the window by cause, the most frequent first."""
    causes: Sequence[Mapping[str, Any]] = report.metrics.get("failures_by_cause") or ()
    rows = tuple(_cells(whole(each.get("count")), each.get("example"), each.get("cause")) for each in causes)
    title = f"Failures of the last {plain(report.window)} by cause"
    return Table(title, ("count", "example", "cause"), rows, more_line(report, "causes"))


def alerts_table(report: Report) -> Table:
    """Alerts, those that fire first."""
    rows = tuple(
        _cells(
            f"{alert.get('state')}{', silenced' if alert.get('silenced') else ''}", alert.get("severity"),
            alert.get("rule"), alert.get("subject"), clock(alert.get("firing_since") or alert.get("pending_since")),
            alert.get("sentence"),
        )
        for alert in report.alerts
    )  # fmt: skip
    columns = ("state", "severity", "rule", "subject", "since (UTC)", "what")
    note = more_line(report, "alerts") or ("There are more: GET /alerts." if report.more_alerts else "")
    return Table("Alerts", columns, rows, note)


def more_line(report: Report, name: str) -> str:
    """What a list leaves out, as ``and 3 more.``, or nothing."""
    hidden = report.more.get(name, 0)
    return f"and {hidden} more." if hidden else ""


def _cells(*values: Any) -> tuple[str, ...]:
    return tuple(plain(value, _CELL_CHARS) for value in values)


def _reason(row: Mapping[str, Any]) -> str:
    """Why it has its verdict, after the code of its diagnosis."""
    return f"{row['code']}: {row.get('reason')}" if row.get("code") else plain(row.get("reason"))


def _initialization(report: Report) -> str:
    now = report.initialization
    return f"Initialization: {plain(now.get('state', 'not known'))}. {plain(now.get('sentence', ''))}".rstrip()


def _agents(organ: Mapping[str, Any]) -> str:
    desired = organ.get("desired_agent_count")
    return f"{organ.get('agent_count')} of {'?' if desired is None else desired}"


def _probe(probe: Mapping[str, Any]) -> str:
    return latency(probe.get("latency_s")) if probe.get("ok") else "no answer" if probe else NOTHING


def _after(seconds: Any) -> str:
    text = duration(seconds)
    return text if text == NOTHING or text.startswith("-") else f"+{text}"


def _node(node: Mapping[str, Any], used: Mapping[str, Any]) -> tuple[str, ...]:
    ratios = (_three(used.get(f"{name}_ratio")) for name in ("cpu", "memory", "disk", "gpu"))
    rates = (byte_rate((used.get(f"network_{way}_bytes_per_s") or {}).get("now")) for way in ("receive", "send"))
    head = " (head)" if node.get("is_head") else ""
    return _cells(node.get("state"), f"{plain(node.get('node_id'), 12)}{head}", node.get("ip"), *ratios, *rates)


def _three(ratio: Mapping[str, Any] | None) -> str:
    if not ratio or number(ratio.get("now")) is None:
        return NOTHING
    return percent(*(ratio.get(name) for name in ("now", "mean", "max")))
