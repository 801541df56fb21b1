"""What is in the report: a pure function of what the parts said. Every list has a limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar, cast

from organs.times import format_time
from serve_app.readiness import Part
from serve_app.report.alike import ORDER, ReportFinding
from serve_app.report.causes import parse_cause
from serve_app.report.findings import build_findings, count_older_jobs
from serve_app.report.words import parse_number

if TYPE_CHECKING:
    # It brings pydantic, which the report command can do without.
    from serve_app.schemas.report import ReportAnswer

T = TypeVar("T")

MAX_JOBS = 100
RECENT = timedelta(hours=24)
MAX_ALERTS = 100
# All that there can be, so that what is counted of them is so; as many as one page has.
ASKED_ALERTS = 500
MAX_RECEIVERS = 10
MAX_FINDINGS = 30
MAX_NODES = 50
MAX_ORGANS = 50
MAX_STEPS = 20
MAX_KINDS = 20
MAX_CAUSES = 10
MAX_REASONS = 20
_NOT_ASKED = Part(None, "It was not asked.")
# Diagnoses are asked for only of jobs that have one.
_NONE_FAILED = Part({"items": {}})
_NOTHING_SAID = Part({})
_MEASURED = ("jobs", "duration_s", "by_kind", "failures_by_cause", "utilisation", "responses", "counts")


@dataclass(frozen=True)
class Parts:
    """What each part said, or why it said nothing."""

    organism: Part = _NOT_ASKED
    jobs: Part = _NOT_ASKED
    nodes: Part = _NOT_ASKED
    resources: Part = _NOT_ASKED
    summary: Part = _NOT_ASKED
    lifecycle: Part = _NOT_ASKED
    findings: Part = _NOT_ASKED
    alerts: Part = _NOT_ASKED
    diagnoses: Part = _NONE_FAILED
    ray: Part = _NOTHING_SAID


@dataclass(frozen=True)
class Report:
    """Everything that a rendering needs.

    ``metrics`` is the summary of the window, ``{}`` when there is none. ``more`` counts what each list leaves out, by
    the list's name; ``more_jobs`` and ``more_alerts`` tell that there are more even when nobody has counted them.
    """

    verdict: str
    as_of: str
    window: str
    findings: tuple[ReportFinding, ...]
    cluster: Mapping[str, Any]
    nodes: Sequence[Mapping[str, Any]]
    organs: Sequence[Mapping[str, Any]]
    initialization: Mapping[str, Any]
    lifecycle: Sequence[Mapping[str, Any]]
    jobs: Sequence[Mapping[str, Any]]
    more_jobs: bool
    metrics: Mapping[str, Any]
    alerts: Sequence[Mapping[str, Any]]
    more_alerts: bool
    receivers: Sequence[Mapping[str, Any]]
    more: Mapping[str, int]
    degraded: tuple[str, ...]

    def to_json(self) -> ReportAnswer:
        """For ``GET /report``: what the parts said is of their own types already."""
        return cast("ReportAnswer", asdict(self))


def build_report(parts: Parts, window: str, now: datetime, exposures: Sequence[str] = ()) -> Report:
    """Put together what is known; a part that said nothing is named in ``degraded`` and makes the verdict UNKNOWN."""
    said = {each.name: getattr(parts, each.name).value or {} for each in fields(Parts)}
    degraded = _list_degraded(parts)
    rows, nodes, alerts = _list_items(said["jobs"]), _list_items(said["nodes"]), _list_items(said["alerts"])
    receivers = list(said["alerts"].get("receivers") or ())[:MAX_RECEIVERS]
    organs = said["organism"].get("organs") or []
    initialization = said["organism"].get("initialization") or {}
    more_jobs = bool(said["jobs"].get("next_cursor"))
    recent = [row for row in rows if is_recent(row, now)]
    counts = said["summary"].get("counts") or {}
    found = build_findings(
        alerts=alerts,
        organs=organs,
        initialization=initialization,
        nodes=nodes,
        judged=_list_items(said["findings"]),
        jobs=recent,
        diagnoses=said["diagnoses"].get("items") or {},
        older=count_older_jobs(counts, rows) if more_jobs and len(recent) == len(rows) else {},
        degraded=degraded,
        receivers=receivers,
        session=(said["ray"].get("cluster_info") or {}).get("session"),
        exposures=exposures,
    )
    more: dict[str, int] = {}
    if more_jobs and (total := parse_number(counts.get("total"))) is not None and total > len(rows):
        more["jobs"] = int(total) - len(rows)
    return Report(
        verdict=found[0].verdict if found else "OK",
        as_of=format_time(now),
        window=window,
        findings=tuple(_take_first(found, MAX_FINDINGS, "findings", more)),
        cluster=said["resources"],
        nodes=_take_first(nodes, MAX_NODES, "nodes", more),
        organs=_take_first(organs, MAX_ORGANS, "organs", more),
        initialization=initialization,
        lifecycle=_take_first(said["lifecycle"].get("steps") or [], MAX_STEPS, "lifecycle", more),
        jobs=rows,
        more_jobs=more_jobs,
        metrics=_select_metrics(said["summary"], more),
        alerts=_take_first(sorted(alerts, key=_rank_alert), MAX_ALERTS, "alerts", more),
        more_alerts=bool(said["alerts"].get("next_cursor")),
        receivers=receivers,
        more=more,
        degraded=tuple(_take_first(degraded, MAX_REASONS, "degraded", more)),
    )


def parse_report(content: Mapping[str, Any]) -> Report:
    """A report from its JSON, for the command line; what a newer application adds is left out.

    Raises ``KeyError``, ``TypeError``, ``AttributeError`` or ``ValueError`` for what no application of ours answers.
    """
    # An older application tells nothing of receivers.
    known = {each.name: content[each.name] for each in fields(Report) if each.name != "receivers"}
    made = Report(
        **{
            **known,
            "findings": tuple(_parse_finding(row) for row in content["findings"]),
            "more": {str(name): int(parse_number(count) or 0) for name, count in content["more"].items()},
            "degraded": tuple(content["degraded"]),
            "receivers": list(content.get("receivers", ())),
        }
    )
    if strange := {made.verdict, *(each.verdict for each in made.findings)} - set(ORDER):
        raise ValueError(f"verdicts that do not exist: {strange}")
    return made


def _parse_finding(row: Mapping[str, Any]) -> ReportFinding:
    known: dict[str, Any] = {each.name: row[each.name] for each in fields(ReportFinding) if each.name != "cause"}
    counted = {"count": int(parse_number(row["count"]) or 0), "examples": tuple(row["examples"])}
    return ReportFinding(**{**known, **counted, "cause": parse_cause(row.get("cause"))})


def is_recent(row: Mapping[str, Any], now: datetime) -> bool:
    """What ended longer ago is history: it is listed, and no longer something to do, nor a reason to wake somebody."""
    try:
        return now - datetime.fromisoformat(str(row.get("ended_at"))) <= RECENT
    except (ValueError, TypeError):
        return True


def _list_degraded(parts: Parts) -> list[str]:
    """Each reason once: what is asked of the inspector comes from one look, which fails once."""
    told: dict[str, None] = {}
    for each in fields(Parts):
        part: Part = getattr(parts, each.name)
        if part.value is None:
            told[f"{each.name}: {part.error}"] = None
    for each in fields(Parts):
        part = getattr(parts, each.name)
        told.update((str(reason), None) for reason in (part.value or {}).get("degraded") or ())
    return list(told)


def _list_items(said: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(said.get("items") or ())


def _take_first(items: Sequence[T], most: int, name: str, more: dict[str, int]) -> list[T]:
    if len(items) > most:
        more[name] = len(items) - most
    return list(items[:most])


def _select_metrics(summary: Mapping[str, Any], more: dict[str, int]) -> dict[str, Any]:
    """The summary without what the report has elsewhere, its lists cut."""
    metrics = {name: summary[name] for name in _MEASURED if summary.get(name) is not None}
    if "by_kind" in metrics:
        metrics["by_kind"] = dict(_take_first(list(metrics["by_kind"].items()), MAX_KINDS, "kinds", more))
    if "failures_by_cause" in metrics:
        metrics["failures_by_cause"] = _take_first(metrics["failures_by_cause"], MAX_CAUSES, "causes", more)
    if "utilisation" in metrics:
        nodes = _take_first(metrics["utilisation"].get("nodes") or [], MAX_NODES, "utilisation", more)
        metrics["utilisation"] = {**metrics["utilisation"], "nodes": nodes}
    return metrics


def _rank_alert(alert: Mapping[str, Any]) -> tuple[bool, bool, bool]:
    """Firing before pending, heard before silenced, critical before warning."""
    return alert.get("state") != "firing", bool(alert.get("silenced")), alert.get("severity") != "critical"
