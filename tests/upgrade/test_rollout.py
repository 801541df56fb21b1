"""The step from one version to the next: nothing is lost, every replica is new, and no caller is told anything worse
than to come back in a moment.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from organs.version import read_version
from tests.integration.cluster import ROOT, TOKENS, Cluster, running
from tests.upgrade import rollout
from tests.upgrade.rollout import FROM, ORGANS, SEEN, Rollout

PARTS = {"Ingress", "OrganismManager", "JobInspector", "Alerts", "Store", *ORGANS}
# A version before this one says 503 at /ready without Retry-After.
UNMENDED = {"/ready"} if FROM else set()
# What of a job must be the same before and after.
FACTS = ("kind", "status", "outcome", "verdict", "reason", "submission_id", "job_id", "duration_s", "metadata")


@pytest.fixture(scope="module")
def cluster() -> Iterator[tuple[Cluster, Path]]:
    """The old version, running."""
    directory = Path(tempfile.mkdtemp(prefix="seedcore-upgrade-"))
    checkout, home = directory / "checkout", directory / "state"
    checkout.mkdir()
    rollout.place_old(checkout)
    rollout.unpack_database(home)
    env = {f"SEEDCORE_{role.upper()}_TOKEN": token for role, token in TOKENS.items()}
    env |= {"SEEDCORE_CONFIG": str(rollout.write_configuration(directory, checkout))}
    with running(home, env, checkout) as started:
        yield started, checkout
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def seen(cluster: tuple[Cluster, Path]) -> Rollout:
    """The new version, deployed over it."""
    found = rollout.roll_out(*cluster)
    told = Counter((each.by, each.status) for each in found.load.answers)
    answers = ", ".join(f"{count} times {status} by {by}" for (by, status), count in sorted(told.items()))
    slowest_s = max(each.came_at - each.asked_at for each in found.load.answers)
    over = f"commit {FROM}" if FROM else "a variation of these sources"
    SEEN.append(f"upgrade over {over}: `make up` {found.took_s:.0f} s; {answers}; slowest {slowest_s:.1f} s")
    return found


def test_every_replica_is_replaced(seen: Rollout) -> None:
    assert set(seen.before.replicas) == set(seen.after.replicas) == PARTS
    assert {name for name, ids in seen.after.replicas.items() if ids & seen.before.replicas[name]} == set()
    assert {len(ids) for ids in seen.after.replicas.values()} == {1}
    assert "the code changed: replacing every replica" in seen.said


def test_every_replica_tells_the_new_version(seen: Rollout) -> None:
    new = read_version(ROOT)
    assert seen.after.versions is not None
    assert (seen.after.versions["expected"], seen.after.versions["mixed"]) == (new, False)
    told = {(row["deployment"], row["code_version"]) for row in seen.after.versions["replicas"]}
    assert {each for each in told if each[1] is not None} == {(name, new) for name in PARTS}
    assert {agent["code_version"] for agent in seen.after.agents.values()} == {new}


@pytest.mark.skipif(FROM is not None, reason="a version before this one cannot tell its version")
def test_every_replica_told_the_old_version_before(seen: Rollout) -> None:
    assert seen.before.versions is not None
    old = seen.before.versions["expected"]
    assert old.startswith("0.0.9.")
    assert {(row["deployment"], row["code_version"]) for row in seen.before.versions["replicas"]} == {
        (name, old) for name in PARTS
    }


def test_every_caller_is_answered_or_asked_to_come_back(seen: Rollout) -> None:
    """What the proxy says by itself, while nobody is behind it, is counted apart (the line at the end of the run)."""
    bad = [
        (each.what, each.by, each.status, each.text)
        for each in seen.load.answers
        if each.by != "proxy" and not each.is_allowed and not (each.what in UNMENDED and each.status == 503)
    ]
    assert bad == []
    asked = Counter(each.what for each in seen.load.answers)
    assert min(asked.values()) >= 2, asked


def test_the_history_is_as_it_was(seen: Rollout) -> None:
    assert len(seen.before.jobs) >= 25
    assert {key: facts(row) for key, row in seen.after.jobs.items() if key in seen.before.jobs} == {
        key: facts(row) for key, row in seen.before.jobs.items()
    }


def test_what_happened_to_jobs_meanwhile_is_known(seen: Rollout) -> None:
    assert seen.submitted == {"ends-meanwhile": "failed", "runs-on": "running"}


def test_what_was_submitted_was_submitted(cluster: tuple[Cluster, Path], seen: Rollout) -> None:
    listed = {row["submission_id"] for row in cluster[0].jobs()}
    asked = [each for each in seen.load.answers if each.what == "submit"]
    assert {f"load-{number}" for number, each in enumerate(asked) if each.status == 201} <= listed
    assert any(each.status == 201 for each in asked)


def test_alerts_fire_on(seen: Rollout) -> None:
    """Also those of the database: one whose node is gone, and one that was over."""
    firing = {id: row for id, row in seen.before.alerts.items() if row["state"] == "firing"}
    assert len(firing) >= 2
    assert {id: since(seen.after.alerts[id]) for id in firing} == {id: since(row) for id, row in firing.items()}
    assert seen.before.past_alerts <= seen.after.past_alerts
    assert {"a-firing", "a-resolved"} <= seen.after.past_alerts


def test_agents_remember_every_task(seen: Rollout) -> None:
    for organ_id in ORGANS:
        before, after = (moment.agents[f"{organ_id}_agent_0"] for moment in (seen.before, seen.after))
        asked = sum(each.what.split()[0] == organ_id for each in seen.load.answers)
        done = rollout.count_done(seen.load, organ_id)
        assert after["restored"]
        assert after["epoch"] > before["epoch"]
        # Somebody who was told to come back may have been served all the same.
        assert before["tasks_processed"] + done <= after["tasks_processed"] <= before["tasks_processed"] + asked


def test_what_was_put_is_there(cluster: tuple[Cluster, Path], seen: Rollout) -> None:
    puts = [each for each in seen.load.answers if each.what == "utility_organ_1 put"]
    acknowledged = {f"load-{number}": str(number) for number, each in enumerate(puts) if each.status == 200}
    with sqlite3.connect(f"file:{cluster[0].home / 'seedcore.db'}?mode=ro", uri=True) as connection:
        kept = dict(connection.execute("SELECT key, value FROM memories").fetchall())
    assert len(acknowledged) >= 3
    assert {key: kept.get(key) for key in acknowledged} == acknowledged
    assert "old-key" in kept


def facts(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in FACTS}


def since(alert: dict[str, Any]) -> tuple[str, str, str]:
    """What an alert is about, and since when it fires (to the millisecond: not every version says more)."""
    return alert["state"], alert["subject"], alert["firing_since"][:23]
