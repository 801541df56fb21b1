"""What to do first: every trouble that was told, once, worst first, alike ones together. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from serve_app.jobs.diagnosis.words.answers import render_brief
from serve_app.jobs.judging.expectations import NOTHING, get_expectation
from serve_app.queries.job_names import build_view_key, quote_id, shorten_id
from serve_app.report.causes import UNKNOWN, Cause, build_cause
from serve_app.report.words import parse_number, parse_time

ORDER = ("BAD", "WARN", "UNKNOWN", "OK")
MAX_EXAMPLES = 5
_ORGAN_VERDICTS = {"ready": "OK", "starting": "WARN", "degraded": "WARN", "not_responding": "BAD"}
_INITIALIZATION_VERDICTS = {
    "succeeded": "OK",
    "running": "OK",
    "due": "WARN",
    "failed": "WARN",
    "waiting_for_person": "BAD",
}
_ALERT_VERDICTS = {"critical": "BAD", "warning": "WARN"}
# Groups within a verdict, in the order in which to act: what fires, what many depend on, single jobs, what is not seen.
_FIRING, _CLUSTER, _JOBS, _NOT_SEEN = range(4)
# Rules of the judge that say of a running job what its own row says, too, and better.
_OF_THE_ROW = frozenset({"stuck-job", "past-deadline", "circling-job"})
_ALIKE_CHARS = 600
# The store cuts longer names, which the looks do not.
_KEPT_CHARS = 200
# As much of a node id as tells it from others.
_ID_CHARS = 12
# What differs between two jobs that failed alike: ids, long numbers, seconds. Exit codes and line numbers are kept.
_PARTICULAR = re.compile(r"\b(?=\w{0,80}\d)(?=\w{0,80}[A-Za-z_])\w+|\b\d{4,}\b|\b\d+(?:\.\d+)?(?= s\b)")


@dataclass(frozen=True)
class ReportFinding:
    """Something a person should look at: how bad, what, why, and what to do.

    ``at``: when the newest of it began or ended, RFC 3339. ``count`` above 1: so many alike, ``examples`` name some.
    ``cause``: what the diagnosis of it says, when one was made.
    """

    verdict: str
    subject: str
    sentence: str
    action: str
    at: str | None = None
    count: int = 1
    examples: tuple[str, ...] = ()
    cause: Cause | None = None


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
    session: str | None = None,
    exposures: Sequence[str] = (),
) -> list[ReportFinding]:
    """All that is not OK, in the order in which to act. ``older``: jobs by verdict that the page of jobs lacks.

    ``diagnoses`` in brief, by ``get_row_key`` a row of a job; ``session`` is the present one, None if it is not known.
    """
    firing = [_describe_alert(each) for each in alerts if each.get("state") == "firing" and not each.get("silenced")]
    told = [*firing, *_select_unsaid(firing, [_describe_judged(each) for each in judged])]
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
        *(_describe_older(verdict, count) for verdict, count in older.items()),
        *(_describe_exposure(sentence) for sentence in exposures),
        *(_describe_gap(reason) for reason in degraded),
    ]
    worth = sorted((each for each in troubles if each.finding.verdict != "OK"), key=_get_newest_s)
    return [each.finding for each in sorted(_merge_alike(worth), key=_rank_trouble)]


# What a trouble is about: a type, of a job its session, and a name; the same whoever tells of it.
_About: TypeAlias = tuple[str, str, str]
_NOTHING: _About = ("", "", "")


@dataclass(frozen=True)
class _Trouble:
    """A finding before it is told. ``noun`` is for several alike, None if it stays alone; ``began``: of a run before
    with the id, of which no alert speaks and which is found by when it began."""

    finding: ReportFinding
    group: int
    about: _About = _NOTHING
    noun: str | None = None
    rule: str = ""
    began: str = ""


def _describe_alert(alert: Mapping[str, Any]) -> _Trouble:
    severity, rule = str(alert.get("severity")), str(alert.get("rule"))
    finding = ReportFinding(
        _ALERT_VERDICTS.get(severity, "UNKNOWN"),
        str(alert.get("subject")),
        str(alert.get("sentence")),
        str(alert.get("action")),
        _parse_text(alert.get("firing_since")),
    )
    group = _FIRING if severity == "critical" else _JOBS if rule in _OF_THE_ROW else _CLUSTER
    return _Trouble(finding, group, _about(alert), f"alerts {rule}", rule)


def _describe_judged(judged: Mapping[str, Any]) -> _Trouble:
    rule = str(judged.get("rule"))
    finding = ReportFinding(
        _parse_verdict(judged.get("verdict")),
        str(judged.get("subject")),
        str(judged.get("sentence")),
        str(judged.get("action")),
    )
    group = _JOBS if rule in _OF_THE_ROW else _CLUSTER
    return _Trouble(finding, group, _about(judged), f"findings {rule}", rule)


def _describe_organ(organ: Mapping[str, Any]) -> _Trouble:
    verdict = _ORGAN_VERDICTS.get(str(organ.get("status")), "UNKNOWN")
    name = str(organ.get("organ_id"))
    action = f"Read the log of {name} in the Ray dashboard (Serve); Serve replaces dead agents by itself."
    cause = build_cause(render_brief({"diagnosis": organ.get("diagnosis")}))
    finding = ReportFinding(verdict, name, str(organ.get("message")), _combine_advice(cause, action), cause=cause)
    return _Trouble(finding, _CLUSTER, ("organ", "", name))


def _describe_initialization(now: Mapping[str, Any]) -> _Trouble:
    verdict = _INITIALIZATION_VERDICTS.get(str(now.get("state")), "UNKNOWN")
    action = "Mend the cause, then POST /organism/initialize."
    at = _parse_text(now.get("ended_at") or now.get("started_at"))
    return _Trouble(ReportFinding(verdict, "initialization", str(now.get("sentence")), action, at), _CLUSTER)


def _describe_node(node: Mapping[str, Any]) -> _Trouble:
    name = str(node.get("node_id"))
    action = "If it should be there, start it again."
    finding = ReportFinding(
        "WARN", f"node {name[:_ID_CHARS]}", "The node is dead.", action, _parse_text(node.get("ended_at"))
    )
    return _Trouble(finding, _CLUSTER, ("node", "", name), "nodes")


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


def _describe_job(row: Mapping[str, Any], diagnosis: Any, link: str, began: str) -> _Trouble:
    expected = get_expectation(str(row.get("kind")))
    meaning = next((each for outcome, each in expected.meanings.items() if outcome == row.get("outcome")), None)
    # The row's own action comes from what its kind was declared to be; an older inspector has none.
    advice = row.get("action") or (meaning.action if meaning is not None else NOTHING)
    action = "" if advice == NOTHING or _is_told_better(advice, diagnosis) else f"{advice} "
    name, cause = str(row.get("id")), build_cause(diagnosis)
    more = "" if cause is None else "/diagnosis"
    finding = ReportFinding(
        _parse_verdict(row.get("verdict")),
        f"job {_name_run(name, began)}",
        str(row.get("reason") or ""),
        _combine_advice(cause, f"{action}Evidence: GET {link}{more}."),
        _parse_text(row.get("ended_at") or row.get("started_at")),
        cause=cause,
    )
    rule = f"{row.get('rule')} {row.get('outcome')}"
    about = ("job", str(row.get("session") or ""), name[:_KEPT_CHARS])
    return _Trouble(finding, _JOBS, about, f"{row.get('kind')} jobs", rule, began)


def _name_run(id: str, began: str) -> str:
    return f"{shorten_id(id)}@{began}" if began else shorten_id(id)


def _is_told_better(advice: str, diagnosis: Any) -> bool:
    """Whether the diagnosis has said what to change, so that to look for the cause is no news."""
    cause = build_cause(diagnosis)
    return cause is not None and cause.advice != "" and cause.code != "unknown" and advice.startswith("Read its ")


def _combine_advice(cause: Cause | None, action: str) -> str:
    """What mends the cause comes before what is done about any such failure; of one that is not known nothing does."""
    if cause is None or not cause.advice or cause.code == UNKNOWN:
        return action
    return f"{cause.advice.rstrip('.')}. {action}"


def _describe_older(verdict: str, count: int) -> _Trouble:
    sentence = f"{count} with the verdict {verdict} are older than those in this report."
    return _Trouble(ReportFinding(verdict, "older jobs", sentence, f"Look at GET /jobs?verdict={verdict}."), _JOBS)


def _describe_exposure(sentence: str) -> _Trouble:
    """``sentence``: what of our secrets others can read (``tokens.environment.list_exposures``)."""
    action = "Put it into a file of mode 0600 and name that in SEEDCORE_SECRETS_FILE (README, Access)."
    return _Trouble(ReportFinding("WARN", "secrets", sentence, action), _CLUSTER)


def _describe_gap(reason: str) -> _Trouble:
    action = "Look at the Ray dashboard; ask again in a minute."
    return _Trouble(ReportFinding("UNKNOWN", "observation", reason, action), _NOT_SEEN)


def _select_unsaid(firing: Sequence[_Trouble], judged: Iterable[_Trouble]) -> list[_Trouble]:
    """What the judge found and no alert says."""
    return [
        each
        for each in judged
        if not any(each.rule == said.rule and _is_same(each.about, said.about) for said in firing)
    ]


def _add_rows(told: Sequence[_Trouble], rows: Iterable[_Trouble]) -> list[_Trouble]:
    """What was told, and the rows of organs and jobs that it does not speak of; of two verdicts the worse."""
    whole = list(told)
    for row in rows:
        may_be_told = () if row.began else told
        same = (
            _is_same(each.about, row.about) and (row.group != _JOBS or each.rule in _OF_THE_ROW) for each in may_be_told
        )
        place = next((place for place, it_is in enumerate(same) if it_is), None)
        if place is None:
            whole.append(row)
        elif ORDER.index(row.finding.verdict) < ORDER.index(whole[place].finding.verdict):
            finding = replace(whole[place].finding, verdict=row.finding.verdict)
            whole[place] = replace(whole[place], finding=finding)
    return whole


def _merge_alike(newest_first: Sequence[_Trouble]) -> list[_Trouble]:
    """Many that have the same cause are one with a count; the newest speaks for all."""
    alike: dict[tuple[Any, ...], list[_Trouble]] = {}
    for place, each in enumerate(newest_first):
        cause = generalize(each.finding.sentence)
        code = None if each.finding.cause is None else each.finding.cause.code
        key = (each.finding.verdict, each.group, each.noun, each.rule, code, cause if each.noun else place)
        alike.setdefault(key, []).append(each)
    return [many[0] if len(many) == 1 else _merge(many) for many in alike.values()]


def generalize(sentence: str) -> str:
    """A sentence without what differs between two that are alike."""
    return _PARTICULAR.sub("#", sentence[:_ALIKE_CHARS])


def _merge(many: Sequence[_Trouble]) -> _Trouble:
    first = many[0]
    finding = replace(
        first.finding,
        subject=f"{len(many)} {first.noun}",
        count=len(many),
        examples=tuple(_name_run(each.about[-1], each.began) for each in many[:MAX_EXAMPLES]),
    )
    return replace(first, finding=finding)


def _get_newest_s(trouble: _Trouble) -> float:
    time = parse_time(trouble.finding.at)
    return 0.0 if time is None else -time.timestamp()


def _rank_trouble(trouble: _Trouble) -> tuple[int, int, float]:
    return ORDER.index(trouble.finding.verdict), trouble.group, _get_newest_s(trouble)


def count_older_jobs(counts: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How many jobs of each verdict that is not OK are known and not among the rows."""
    here = Counter(str(row.get("verdict")) for row in rows)
    by_verdict = counts.get("by_verdict") or {}
    more = {verdict: int(parse_number(by_verdict.get(verdict)) or 0) - here[verdict] for verdict in ORDER[:-1]}
    return {verdict: count for verdict, count in more.items() if count > 0}


def _parse_verdict(word: Any) -> str:
    return str(word) if word in ORDER else "UNKNOWN"


def _about(told: Mapping[str, Any]) -> _About:
    """The subject of an alert or of a finding of the judge; one that is not told as facts is known by its words."""
    subject_type, subject_id, session = (told.get(name) for name in ("subject_type", "subject_id", "session"))
    name = told.get("subject") if subject_id is None else subject_id
    return str(subject_type or ""), str(session or ""), str(name)[:_KEPT_CHARS]


def _is_same(one: _About, other: _About) -> bool:
    """Whether two are about the same; of a job whose session is not told (an alert of before it was) the id says it."""
    same_session = one[1] == other[1] or not one[1] or not other[1]
    return same_session and (one[0], one[2]) == (other[0], other[2])


def _parse_text(value: Any) -> str | None:
    return None if value is None else str(value)
