"""Cases drawn from the published schema, sent to the running application with every role."""

from __future__ import annotations

from tests.fuzz.__main__ import STARTS_JOBS, aim_at, describe
from tests.fuzz.run import run
from tests.integration.cluster import TOKENS, Cluster

CASES = 250


def test_no_case_shows_a_fault(cluster: Cluster) -> None:
    figures = run(aim_at(cluster.http_url, TOKENS), CASES, seed=3)
    print(describe(figures, 0.0, 3))
    assert figures.faults == {}
    assert (figures.cases, len(figures.by_operation)) == (CASES, 31 - len(STARTS_JOBS))
