"""The pure parts of skills: plans, explanations, and which addresses may be asked."""

from __future__ import annotations

import ipaddress
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from organs.skills.contract import SkillError, SkillInputError, SkillRefused
from organs.skills.explain import explain
from organs.skills.http import build_url, decode_text
from organs.skills.plan import plan
from organs.skills.ssrf import Target, check_addresses, check_url
from organs.skills.table import BUILT_IN
from tests.unit.organs.fakes import FakeWays, organ, task


@pytest.mark.parametrize(
    ("goal", "skills", "unmatched"),
    [
        ("", [], []),
        ("search memory, then probe the organs", ["memory.search", "organ.probe"], []),
        ("Why did the job fail? and remember it", ["job.explain", "memory.put"], []),
        ("fetch the web page and paint it blue", ["http.get"], ["paint it blue"]),
        ("how many nodes are dead; free CPU", ["cluster.nodes", "cluster.resources"], []),
        ("gibberish", [], ["gibberish"]),
        ("fetch https://api.example.com/v1.2 then remember it", ["http.get", "memory.put"], []),
        ("Why did the job fail? How many nodes are dead!", ["job.explain", "cluster.nodes"], []),
    ],
)
def test_plan(goal: str, skills: list[str], unmatched: list[str]) -> None:
    made = plan(goal, BUILT_IN, 10)
    assert ([step["skill"] for step in made["steps"]], made["unmatched"]) == (skills, unmatched)
    assert made == plan(goal, tuple(reversed(BUILT_IN)), 10)


def test_a_step_says_what_it_needs_and_why() -> None:
    assert plan("remember the result", BUILT_IN, 10)["steps"] == [
        {
            "step": 1,
            "skill": "memory.put",
            "organ_type": "Utility",
            "for": "remember the result",
            "because": "shares remember with memory.put",
            "needs": ["key", "value"],
            "confidence": 0.5,
        }
    ]


def test_a_plan_has_an_end() -> None:
    made = plan("probe organs. " * 50, BUILT_IN, 3)
    assert (len(made["steps"]), made["unmatched"], len(made["left_out"])) == (3, [], 47)
    assert made["summary"].endswith("47 more were left out, since max_steps was reached.")


async def test_what_is_left_out_of_a_plan_counts_as_not_delivered() -> None:
    made = await organ("Cognitive")
    reply = await made.execute(task("task.plan", goal="probe organs; probe organs", max_steps=1))
    assert 0.45 < reply["result"]["quality"] <= 0.5


def test_a_goal_of_marks_is_read_once() -> None:
    goal = "probe organs" + ".," * 4_990 + "x"
    began = time.process_time()
    assert plan(goal, BUILT_IN, 10)["unmatched"] == []
    # Not a measure of speed: read from each mark anew, it held up the agent's event loop for a second.
    assert time.process_time() - began < 0.5


@given(st.text(max_size=500))
def test_any_goal_has_a_plan(goal: str) -> None:
    plan(goal, BUILT_IN, 10)


CRASHED = {
    "id": "02000000",
    "kind": "user",
    "status": "SUCCEEDED",
    "outcome": "failed",
    "verdict": "BAD",
    "reason": "The driver raised an uncaught exception.",
    "scheduled_by": "somebody",
    "managed_by": "its own process",
    "duration_s": 4.5,
    "evidence": [{"source": "worker table", "text": "pid 0"}],
}


def test_explain_says_everything_that_is_known() -> None:
    assert explain(CRASHED) == {
        "job_id": "02000000",
        "text": "Job 02000000 is a user's job (user). It is scheduled by somebody and managed by its own process. "
        "It failed after 4.5 s; Ray's own word for it is SUCCEEDED. That is not what is expected of such a job. "
        "The reason: The driver raised an uncaught exception. Evidence from worker table: pid 0.",
        "facts": {key: CRASHED[key] for key in CRASHED if key not in ("duration_s", "evidence")},
        "missing": [],
    }


@pytest.mark.parametrize(
    "row",
    [
        {"evidence": {"a": 1}},
        {"evidence": 5},
        {"evidence": "abc"},
        {"duration_s": 10**400},
        {"duration_s": True},
        {"expectation": 5},
    ],
)
def test_explain_passes_over_what_no_job_has(row: dict[str, Any]) -> None:
    assert explain(row)["text"] == explain({})["text"]


def test_explain_tells_what_was_expected() -> None:
    expectation = {"must_end": True, "action": "Read its log."}
    said = explain({"expectation": expectation})["text"].removeprefix(explain({})["text"].split(" Not known")[0])
    assert said.startswith(" It is expected to end. Read its log. Not known")


def test_explain_names_what_is_missing() -> None:
    assert explain({"id": "x"}) == {
        "job_id": "x",
        "text": "Job x is a user's job (user). It has an outcome that is not known. It has no verdict. "
        "Not known: kind, status, outcome, verdict, reason, scheduled_by, managed_by.",
        "facts": {"id": "x"},
        "missing": ["kind", "status", "outcome", "verdict", "reason", "scheduled_by", "managed_by"],
    }


@pytest.mark.parametrize(
    ("parameters", "status"),
    [
        ({"job_id": "02000000"}, None),
        ({"job": CRASHED}, None),
        ({"job_id": "x"}, 404),
        ({}, 422),
        ({"job_id": "x", "job": {}}, 422),
    ],
)
async def test_job_explain(parameters: dict[str, Any], status: int | None) -> None:
    made = await organ("Cognitive", ways=FakeWays(jobs={"02000000": CRASHED}))
    reply = await made.execute(task("job.explain", **parameters))
    if status is None:
        assert reply["result"]["output"]["text"].startswith("Job 02000000 is a user's job")
    else:
        assert reply["problem"]["status"] == status


@pytest.mark.parametrize(
    ("parameters", "status"),
    [({"id": "02000000"}, None), ({"id": "x"}, 404), ({}, 422), ({"id": "x", "job_id": "x"}, 422)],
)
async def test_job_diagnose(parameters: dict[str, Any], status: int | None) -> None:
    made = await organ("Cognitive", ways=FakeWays(jobs={"02000000": {**CRASHED, "rule": "app.exception"}}))
    reply = await made.execute(task("job.diagnose", **parameters))
    if status is None:
        assert reply["result"]["output"] == {"id": "02000000", "diagnosis": {"code": "app.exception"}}
    else:
        assert reply["problem"]["status"] == status


async def test_a_preview_does_nothing() -> None:
    made = await organ("Actuator")
    output = (await made.execute(task("fetch", "download a web page", url="https://example.com")))["result"]["output"]
    assert (output["would_apply"], output["done"]) == (["http.get"], "nothing")


ALLOW = [
    "example.com",
    "*.example.org",
    "example.net:8443",
    "http://plain.example:80",
    "http://127.0.0.1:8080",
    "https://[::1]:9443",
]


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/path?q=1",
        "https://EXAMPLE.com",
        "https://example.com.",
        "https://a.example.org",
        "https://a.b.example.org:443",
        "https://example.net:8443/",
        "http://plain.example/",
        "http://127.0.0.1:8080/x",
        "https://[::1]:9443/",
    ],
)
def test_allowed(url: str) -> None:
    assert check_url(url, ALLOW).url == url


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("http://example.com", SkillRefused),  # plain only where written out
        ("https://example.com:444", SkillRefused),
        ("https://example.org", SkillRefused),  # a subdomain was allowed, not the domain
        ("https://evilexample.org", SkillRefused),
        ("https://example.com.evil.test", SkillRefused),
        ("https://user@example.com", SkillRefused),
        ("https://user:pw@example.com", SkillRefused),
        ("https://example.com@evil.test", SkillRefused),
        ("https://evil.test#@example.com", SkillRefused),
        ("ftp://example.com", SkillRefused),
        ("file:///etc/passwd", SkillRefused),
        ("https://127.0.0.1:8080", SkillRefused),
        ("http://127.0.0.1:8081", SkillRefused),
        ("http://127.1:8080", SkillRefused),
        ("http://2130706433:8080", SkillRefused),
        ("http://0x7f000001:8080", SkillRefused),
        ("http://169.254.169.254", SkillRefused),
        ("https://example.com\\@evil.test", SkillInputError),
        ("https://example.com/a b", SkillInputError),
        ("https://example.com/\r\nX: y", SkillInputError),
        ("https://", SkillInputError),
        ("https://[::1", SkillInputError),
        ("https://example.com:port", SkillInputError),
        ("https://example.com:0", SkillInputError),
        ("https://example.com/" + "a" * 3000, SkillInputError),
    ],
)
def test_not_allowed(url: str, kind: type[SkillError]) -> None:
    with pytest.raises(kind):
        check_url(url, ALLOW)


@pytest.mark.parametrize("entry", ["http://10.0.0.5", "https://10.0.0.5", "10.0.0.5:80", "10.0.0.5"])
def test_an_address_that_is_not_public_needs_scheme_and_port_in_its_entry(entry: str) -> None:
    for url in ("http://10.0.0.5:80/", "https://10.0.0.5/", "https://10.0.0.5:80/"):
        with pytest.raises(SkillRefused):
            check_url(url, [entry])


def test_metadata_services_are_never_asked_even_when_listed() -> None:
    for address in ("169.254.169.254", "[fd00:ec2::254]", "[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]"):
        with pytest.raises(SkillRefused, match="metadata"):
            check_url(f"http://{address}:80/", [f"http://{address}:80"])


@pytest.mark.parametrize(
    ("addresses", "passes"),
    [
        (["93.184.216.34"], True),
        (["2606:2800:220:1:248:1893:25c8:1946"], True),
        ([], False),
        (["10.0.0.1"], False),
        (["93.184.216.34", "192.168.0.1"], False),  # every address, not some
        (["127.0.0.1"], False),
        (["0.0.0.0"], False),
        (["169.254.1.1"], False),
        (["100.64.0.1"], False),
        (["224.0.0.1"], False),
        (["::1"], False),
        (["fe80::1"], False),
        (["fc00::1"], False),
        (["::ffff:10.0.0.1"], False),
        (["2002:0a00:0001::"], False),  # 6to4 of 10.0.0.1
        (["64:ff9b::a00:1"], False),  # NAT64 of 10.0.0.1
        (["64:ff9b::5db8:d822"], True),  # NAT64 of 93.184.216.34
        (["64:ff9b:1::1"], False),  # NAT64 for local use
        (["::a00:1"], False),
        (["192.0.0.8"], False),
        (["3fff::1"], False),
        (["5f00::1"], False),
    ],
)
def test_addresses(addresses: list[str], passes: bool) -> None:
    target = check_url("https://example.com", ALLOW)
    parsed = [ipaddress.ip_address(address) for address in addresses]
    if passes:
        assert check_addresses(target, parsed) == parsed
    else:
        with pytest.raises(SkillRefused):
            check_addresses(target, parsed)


def target_of(url: str, host: str, port: int = 443) -> Target:
    return Target(url, "https", host, port, None, False)


def test_a_url_that_is_read_in_one_way_is_asked_as_it_is() -> None:
    for url in ("https://EXAMPLE.com", "https://example.com.", "http://127.0.0.1:8080/x", "https://[::1]:9443/"):
        target = check_url(url, ALLOW)
        assert build_url(target).port == target.port
    assert str(build_url(check_url("https://bücher.example/", ["bücher.example"]))) == "https://xn--bcher-kva.example/"


@pytest.mark.parametrize(
    "target",
    [
        target_of("https://evil.test/", "example.com"),
        target_of("https://example.com:8443/", "example.com"),
        target_of("https://169.254.169.254/", "example.com"),
    ],
)
def test_a_url_that_another_reads_otherwise_is_not_asked(target: Target) -> None:
    with pytest.raises(SkillRefused, match="more than one way"):
        build_url(target)


@pytest.mark.parametrize(
    ("body", "charset", "text"),
    [
        (b"h\xc3\xa9", None, "hé"),
        (b"h\xe9", "latin-1", "hé"),
        ("hé".encode("utf-16"), "utf-16", "hé"),
        (b"\x83\x65", "shift_jis", "テ"),
        (b"h\xff", "no-such", "h\ufffd"),
        (b"h", "hex", "h"),  # no text encoding
        (b"h", "idna", "h"),  # one that cannot replace what it does not know
        (b"h", "a\x00b", "h"),
        (b"\\ud800", "unicode_escape", "\\ud800"),
        (b"+2AA-", "utf-7", "?"),  # half of a pair
    ],
)
def test_any_body_is_a_text_that_json_can_hold(body: bytes, charset: str | None, text: str) -> None:
    assert decode_text(body, charset) == text


@given(st.text(max_size=100))
def test_any_url_is_decided(url: str) -> None:
    try:
        check_url(url, ALLOW)
    except SkillError:
        return
