"""The report: what a person should know of this cluster's jobs and organs, and what to do first."""

from __future__ import annotations

from serve_app.report.content import MAX_JOBS, Finding, Report, build_report

__all__ = ["MAX_JOBS", "Finding", "Report", "build_report"]
