"""Configurations that are made to hurt: each is refused with a line, in time that the text bounds, and runs nothing."""

from __future__ import annotations

import time

import pytest

from serve_app.check.configuration import check_config
from tests.unit.check.test_check import ARGS, DEPLOYMENTS, HEAD

LAUGHS = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9) if n else 'lol'}]\n" for n in range(12))


def chain(pair: str) -> str:
    """Forty mappings, each of which has the one before twice."""
    made = (f"a{n}: &a{n} {{{pair.format(f'a{n - 1}')}}}\n" for n in range(1, 40))
    return "a0: &a0 {k: v}\n" + "".join(made)


SIGNATURE = (
    "{name: s%d, code: acme.s%d, title: t, class: permanent, contains: [abcdef], "
    "matches: [abcdef 1, abcdef 2], near_misses: [abcde]}"
)
INSPECTOR = DEPLOYMENTS + "      - name: JobInspector\n        user_config:\n"
HOSTILE = {
    "an alias bomb": LAUGHS,
    "an alias bomb in args": LAUGHS + HEAD + "    args: {organs: *a11}\n",
    "an alias that contains itself": "a: &x\n  b: *x\n",
    "a list that contains itself": "applications: &x [*x]\n",
    "args that contain themselves": HEAD + "    args: &x\n      organs: *x\n",
    "a bomb of mappings": chain("x: *{0}, y: *{0}"),
    "a bomb of merges": chain("<<: [*{0}, *{0}]"),
    "an alias of nothing": HEAD + "    args: *nothing\n",
    "a key twice": HEAD + ARGS + "    name: again\n",
    "a merge of nothing": HEAD + "    args:\n      <<: 1\n",
    "a merge of itself": HEAD + "    args: &x\n      <<: *x\n",
    "a tag that makes an object": "a: !!python/object:os.system {}\n",
    "a tag that calls": "a: !!python/object/apply:os.system ['touch /tmp/never']\n",
    "a tag that imports": "a: !!python/module:antigravity\n",
    "a tag of one's own": HEAD + "    args: !mine {}\n",
    "a tag of a set": HEAD + "    args: !!set {organs}\n",
    "a tag of bytes": HEAD + "    args: !!binary aGVsbG8=\n",
    "a date for a text": HEAD + "    args: {organs: [{id: 2026-01-01, type: Cognitive}]}\n",
    "a number of thousands of digits": HEAD + f"    args: {{organs: [], max_body_bytes: {'9' * 5_000}}}\n",
    "a number of thousands of digits, in another base": DEPLOYMENTS
    + f"      - {{name: Ingress, user_config: {{task_timeout_s: 0x{'f' * 5_000}}}}}\n",
    "a date for a key": HEAD + ARGS + "    runtime_env: {env_vars: {2026-01-01: x}}\n",
    "bytes for a key": HEAD + ARGS + "    runtime_env: {env_vars: {!!binary YQ==: x}}\n",
    "lists in lists": HEAD + ARGS + f"    runtime_env: {{config: {'[' * 400}{']' * 400}}}\n",
    "a number in base 60": HEAD + "    args: {organs: [], max_body_bytes: 1:1:1:1}\n",
    "infinity": HEAD + ARGS + "      max_body_bytes: .inf\n",
    "no number": HEAD + ARGS + "      max_body_bytes: .nan\n",
    "two documents": HEAD + ARGS + "---\n" + HEAD + ARGS,
    "a list of lists as key": "? [[1], [2]]\n: 1\n",
    "tabs": "applications:\n\t- name: x\n",
    "a directive": "%YAML 9.9\n---\na: 1\n",
    "3 000 signatures": INSPECTOR
    + "          signatures: [" + ", ".join(SIGNATURE % (n, n) for n in range(3_000)) + "]\n",
    "a pattern that looks around": INSPECTOR
    + "          signatures: [{name: s, code: acme.s, title: t, class: permanent, contains: [aaaaaa], "
    "pattern: '(?=a*a*a*b)', matches: [aaaaaab, aaaaaabb], near_misses: [c]}]\n",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_it_is_refused_with_a_line(text: str) -> None:
    began = time.thread_time()
    problems = check_config(text, "c.yaml", {})
    assert time.thread_time() - began < 10  # not a measure of speed: an alias bomb takes longer than anybody waits
    assert problems
    assert all(problem.line >= 1 for problem in problems)
    # What is told may be told to anybody, and fits into a terminal.
    assert max(len(problem.render()) for problem in problems) < 2_000
    assert len(problems) < 100
