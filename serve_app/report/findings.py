"""What to do first: every trouble that was told, once, worst first, alike ones together. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from serve_app.jobs.diagnosis.words.answers import render_brief
from serve_app.jobs.judging.expectations import NOTHING, get_expectation
from serve_app.queries.job_names import build_view_key, quote_id
from serve_app.report.alike import (
    CLUSTER,
    FIRING,
    JOBS,
    NOT_SEEN,
    ORDER,
    About,
    ReportFinding,
    Trouble,
    get_newest_s,
    merge_alike,
    name_run,
    rank_trouble,
)
from serve_app.report.causes import UNKNOWN, Cause, build_cause
from serve_app.report.words import format_clock, parse_number

_ORGAN_VERDICTS = {
    **dict.fromkeys(("ready", "asleep", "waking"), "OK"),
    **dict.fromkeys(("starting", "degraded"), "WARN"),
    **dict.fromkeys(("unplaceable", "not_responding"), "BAD"),
}
_INITIALIZATION_VERDICTS = {
    "succeeded": "OK",
    "running": "OK",
    "due": "WARN",
    "failed": "WARN",
    "waiting_for_person": "BAD",
}
_ALERT_VERDICTS = {"critical": "BAD", "warning": "WARN"}
# Rules of the judge that say of a running job what its own row says, too, and better.
_OF_THE_ROW = frozenset({"stuck-job", "past-deadline", "circling-job"})
_OF_APPLICATIONS = ("application-troubled", "other-application-troubled")
# The store cuts longer names, which the looks do not.
_KEPT_CHARS = 200
# As much of a node id as tells it from others.
_ID_CHARS = 12


def build_findings(
    *,
    alerts: Sequence[Mapping[str, Any]],
    organs: Sequence[Mapping[str, Any]],
    initialization: Mapping[str, Any],
    nodes: Sequence[Mapping[str, Any]],
    judged: Sequence[Mapping[str, Any]],
    jobs: Sequence[Mapping[str, Any]],
    diagnoses: Mapping[str, Any],
    older: Mapping[str, int],
    degraded: Sequence[str],
    receivers: Sequence[Mapping[str, Any]] = (),
    session: str | None = None,
    exposures: Sequence[str] = (),
) -> list[ReportFinding]:
    """All that is not OK, in the order in which to act. ``older``: jobs by verdict that the page of jobs lacks.

    ``diagnoses`` in brief, by ``get_row_key`` a row of a job; ``receivers`` of alerts that fail; ``session`` is the
    present one, None if it is not known.
    """
    firing = [_describe_alert(each) for each in alerts if each.get("state") == "firing" and not each.get("silenced")]
    told = [*firing, *_select_unsaid(firing, [_describe_judged(each) for each in judged])]
    if any(each.get("rule") in _OF_APPLICATIONS for each in judged):
        # What Serve says of an application has its next step there; the job that serves would tell it once more.
        jobs = [row for row in jobs if row.get("rule") != "serve-unhealthy"]
    newest = _find_newest(jobs)
    troubles = [
        *_add_rows(
            told,
            [
                *(_describe_organ(each) for each in organs),
                *(
                    _describe_job(row, diagnoses.get(get_row_key(row)), link, _find_began(row, newest))
                    for row, link in zip(jobs, build_job_links(jobs, session), strict=True)
                ),
            ],
        ),
        *([_describe_initialization(initialization)] if initialization else []),
        *(_describe_node(node) for node in nodes if node.get("state") != "ALIVE"),
        *(_describe_receiver(each) for each in receivers),
        *(_describe_older(verdict, count) for verdict, count in _count_untold(older, told, jobs).items()),
        *(_describe_exposure(sentence) for sentence in exposures),
        *(_describe_gap(reason) for reason in degraded),
    ]
    worth = sorted((each for each in troubles if each.finding.verdict != "OK"), key=get_newest_s)
    return [each.finding for each in sorted(merge_alike(worth), key=rank_trouble)]


def _describe_alert(alert: Mapping[str, Any]) -> Trouble:
    severity, rule = str(alert.get("severity")), str(alert.get("rule"))
    finding = ReportFinding(
        _ALERT_VERDICTS.get(severity, "UNKNOWN"),
        str(alert.get("subject")),
        str(alert.get("sentence")),
        str(alert.get("action")),
        _parse_text(alert.get("firing_since")),
    )
    group = FIRING if severity == "critical" else JOBS if rule in _OF_THE_ROW else CLUSTER
    return Trouble(finding, group, _about(alert), _name_many(alert, rule), rule, reason=_read_reason(alert))


def _describe_judged(judged: Mapping[str, Any]) -> Trouble:
    rule = str(judged.get("rule"))
    finding = ReportFinding(
        _parse_verdict(judged.get("verdict")),
        str(judged.get("subject")),
        str(judged.get("sentence")),
        str(judged.get("action")),
    )
    group = JOBS if rule in _OF_THE_ROW else CLUSTER
    return Trouble(finding, group, _about(judged), _name_many(judged, rule), rule, reason=_read_reason(judged))


def _name_many(told: Mapping[str, Any], rule: str) -> str:
    """What several of a rule are called, whoever tells of them."""
    return f"{told.get('subject_type') or 'alert'}s ({rule})"


def _read_reason(told: Mapping[str, Any]) -> str:
    return str(told.get("reason") or "")[:_KEPT_CHARS]


def _describe_receiver(receiver: Mapping[str, Any]) -> Trouble:
    """Alerts are judged all the same, but somebody does not hear of them."""
    failures, since = parse_number(receiver.get("failures")), format_clock(receiver.get("failing_since"))
    how_often = "" if failures is None else f" ({failures:.0f} attempts)"
    sentence = f"{receiver.get('sentence')} It has not taken what it is told since {since} UTC{how_often}."
    name = f"receiver of alerts {receiver.get('name')}"
    at = _parse_text(receiver.get("failing_since"))
    return Trouble(ReportFinding("WARN", name, sentence, str(receiver.get("action")), at), CLUSTER)


def _describe_organ(organ: Mapping[str, Any]) -> Trouble:
    verdict = _ORGAN_VERDICTS.get(str(organ.get("status")), "UNKNOWN")
    name = str(organ.get("organ_id"))
    action = f"Read the log of {name} in the Ray dashboard (Serve); Serve replaces dead agents by itself."
    if organ.get("status") == "unplaceable":
        action = "Add a node that has it, or ask for less (ray_actor_options of the deployment) and deploy again."
    cause = build_cause(render_brief({"diagnosis": organ.get("diagnosis")}))
    finding = ReportFinding(verdict, name, str(organ.get("message")), _combine_advice(cause, action), cause=cause)
    return Trouble(finding, CLUSTER, ("organ", "", name))


def _describe_initialization(now: Mapping[str, Any]) -> Trouble:
    verdict = _INITIALIZATION_VERDICTS.get(str(now.get("state")), "UNKNOWN")
    action = "Mend the cause, then POST /organism/initialize."
    at = _parse_text(now.get("ended_at") or now.get("started_at"))
    return Trouble(ReportFinding(verdict, "initialization", str(now.get("sentence")), action, at), CLUSTER)


def _describe_node(node: Mapping[str, Any]) -> Trouble:
    name = str(node.get("node_id"))
    action = "If it should be there, start it again."
    finding = ReportFinding(
        "WARN", f"node {name[:_ID_CHARS]}", "The node is dead.", action, _parse_text(node.get("ended_at"))
    )
    return Trouble(finding, CLUSTER, ("node", "", name), "nodes")


def get_row_key(row: Mapping[str, Any]) -> str:
    """What a job is called among those of all sessions."""
    return build_view_key(row)


def build_job_links(rows: Sequence[Mapping[str, Any]], session: str | None) -> list[str]:
    """Where each job is told of: by its id; where a later run of its session has that id, too, with its start; and ids
    begin anew with each session, so one of another session names its own.
    """
    newest = _find_newest(rows)
    return [_build_job_link(row, session, newest) for row in rows]


def _find_newest(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[str, Any], str]:
    """By id and session, when the newest run began."""
    newest: dict[tuple[str, Any], str] = {}
    for row in rows:
        name = (str(row.get("id")), row.get("session"))
        newest[name] = max(newest.get(name, ""), str(row.get("started_at") or ""))
    return newest


def _find_began(row: Mapping[str, Any], newest: Mapping[tuple[str, Any], str]) -> str:
    """Of a run whose id a later one has, too, when it began."""
    began = str(row.get("started_at") or "")
    return "" if began == newest[(str(row.get("id")), row.get("session"))] else began


def _build_job_link(row: Mapping[str, Any], session: str | None, newest: Mapping[tuple[str, Any], str]) -> str:
    id, own = str(row.get("id")), row.get("session")
    place = quote_id(id, str(own or ""))
    if began := _find_began(row, newest):
        return f"/jobs/{place}@{began}"
    # What stands for an id that is too long for an address names its session already.
    return f"/jobs/{place}" + (f"@{own}" if own and own != session and not place.endswith(f"@{own}") else "")


def _describe_job(row: Mapping[str, Any], diagnosis: Any, link: str, began: str) -> Trouble:
    expected = get_expectation(str(row.get("kind")))
    meaning = next((each for outcome, each in expected.meanings.items() if outcome == row.get("outcome")), None)
    # The row's own action comes from what its kind was declared to be; an older inspector has none.
    advice = row.get("action") or (meaning.action if meaning is not None else NOTHING)
    action = "" if advice == NOTHING or _is_told_better(advice, diagnosis) else f"{advice} "
    name, cause = str(row.get("id")), build_cause(diagnosis)
    more = "" if cause is None else "/diagnosis"
    finding = ReportFinding(
        _parse_verdict(row.get("verdict")),
        f"job {name_run(name, began)}",
        str(row.get("reason") or ""),
        _combine_advice(cause, f"{action}Evidence: GET {link}{more}."),
        _parse_text(row.get("ended_at") or row.get("started_at")),
        cause=cause,
    )
    rule = f"{row.get('rule')} {row.get('outcome')}"
    about = ("job", str(row.get("session") or ""), name[:_KEPT_CHARS])
    return Trouble(finding, JOBS, about, f"{row.get('kind')} jobs", rule, began)


def _is_told_better(advice: str, diagnosis: Any) -> bool:
    """Whether the diagnosis has said what to change, so that to look for the cause is no news."""
    cause = build_cause(diagnosis)
    return cause is not None and cause.advice != "" and cause.code != "unknown" and advice.startswith("Read its ")


def _combine_advice(cause: Cause | None, action: str) -> str:
    """What mends the cause comes before what is done about any such failure; of one that is not known nothing does."""
    if cause is None or not cause.advice or cause.code == UNKNOWN:
        return action
    return f"{cause.advice.rstrip('.')}. {action}"


def _describe_older(verdict: str, count: int) -> Trouble:
    sentence = f"{count} with the verdict {verdict} are older than those in this report."
    return Trouble(ReportFinding(verdict, "older jobs", sentence, f"Look at GET /jobs?verdict={verdict}."), JOBS)


def _count_untold(
    older: Mapping[str, int], told: Iterable[Trouble], rows: Sequence[Mapping[str, Any]]
) -> dict[str, int]:
    """Of the jobs that the page lacks, by verdict, those that no alert and no finding speaks of."""
    here = {str(row.get("id"))[:_KEPT_CHARS] for row in rows}
    spoken_of = {
        (each.about[1:], each.finding.verdict)
        for each in told
        if each.about[0] == "job" and each.rule in _OF_THE_ROW and each.about[-1] not in here
    }
    said = Counter(verdict for _, verdict in spoken_of)
    return {verdict: count - said[verdict] for verdict, count in older.items() if count > said[verdict]}


def _describe_exposure(sentence: str) -> Trouble:
    """``sentence``: what of our secrets others can read (``tokens.environment.list_exposures``)."""
    action = "Put it into a file of mode 0600 and name that in SEEDCORE_SECRETS_FILE (README, Access)."
    return Trouble(ReportFinding("WARN", "secrets", sentence, action), CLUSTER)


def _describe_gap(reason: str) -> Trouble:
    action = "Do what it says; where that is nothing, look at the Ray dashboard. Ask again in a minute."
    return Trouble(ReportFinding("UNKNOWN", "observation", reason, action), NOT_SEEN)


def _select_unsaid(firing: Sequence[Trouble], judged: Iterable[Trouble]) -> list[Trouble]:
    """What the judge found and no alert says."""
    return [
        each
        for each in judged
        if not any(each.rule == said.rule and _is_same(each.about, said.about) for said in firing)
    ]


def _add_rows(told: Sequence[Trouble], rows: Iterable[Trouble]) -> list[Trouble]:
    """What was told, and the rows of organs and jobs that it does not speak of; of two verdicts the worse."""
    whole = list(told)
    for row in rows:
        may_be_told = () if row.began else told
        same = (
            _is_same(each.about, row.about) and (row.group != JOBS or each.rule in _OF_THE_ROW) for each in may_be_told
        )
        place = next((place for place, it_is in enumerate(same) if it_is), None)
        if place is None:
            whole.append(row)
        elif ORDER.index(row.finding.verdict) < ORDER.index(whole[place].finding.verdict):
            finding = replace(whole[place].finding, verdict=row.finding.verdict)
            whole[place] = replace(whole[place], finding=finding)
    return whole


def count_older_jobs(counts: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How many jobs of each verdict that is not OK are known and not among the rows."""
    here = Counter(str(row.get("verdict")) for row in rows)
    by_verdict = counts.get("by_verdict") or {}
    more = {verdict: int(parse_number(by_verdict.get(verdict)) or 0) - here[verdict] for verdict in ORDER[:-1]}
    return {verdict: count for verdict, count in more.items() if count > 0}


def _parse_verdict(word: Any) -> str:
    return str(word) if word in ORDER else "UNKNOWN"


def _about(told: Mapping[str, Any]) -> About:
    """The subject of an alert or of a finding of the judge; one that is not told as facts is known by its words."""
    subject_type, subject_id, session = (told.get(name) for name in ("subject_type", "subject_id", "session"))
    name = told.get("subject") if subject_id is None else subject_id
    return str(subject_type or ""), str(session or ""), str(name)[:_KEPT_CHARS]


def _is_same(one: About, other: About) -> bool:
    """Whether two are about the same; of a job whose session is not told (an alert of before it was) the id says it."""
    same_session = one[1] == other[1] or not one[1] or not other[1]
    return same_session and (one[0], one[2]) == (other[0], other[2])


def _parse_text(value: Any) -> str | None:
    return None if value is None else str(value)
