"""The report: what a person should know of this cluster's jobs and organs, and what to do first."""

from __future__ import annotations

from serve_app.report.alike import ReportFinding
from serve_app.report.content import MAX_ALERTS, MAX_JOBS, Parts, Report, build_report, parse_report

__all__ = ["MAX_ALERTS", "MAX_JOBS", "Parts", "Report", "ReportFinding", "build_report", "parse_report"]
