"""Who schedules and manages what, and its drawings, which no name can break."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serve_app.jobs.drawing import mermaid, text_tree
from serve_app.jobs.hierarchy import MAX_ACTORS_OF_A_JOB, MAX_JOBS, MAX_NODES, Branch, hierarchy_of
from serve_app.jobs.judge import judge
from serve_app.jobs.models import (
    ApplicationFacts,
    DeploymentFacts,
    Known,
    ReplicaFacts,
    ServeFacts,
    Snapshot,
    Unknown,
)
from tests.unit.jobs.test_judge import INIT, NOW, SERVER, actor, controller, driver, head, snapshot, submission
from tests.unit.jobs.test_outcome import node

PARTS = frozenset({"OrganismManager", "Ingress"})


def tree(seen: Snapshot) -> Branch:
    return hierarchy_of(seen, judge(seen, NOW), "shop", PARTS)


def lines(seen: Snapshot) -> list[str]:
    """The tree as a text, without proofs."""
    return [line.partition("  [")[0] if line.strip() else line for line in _without_proofs(text_tree(tree(seen)))]


def _without_proofs(text: str) -> list[str]:
    return [re.sub(r"  \[[^\]]*\]$", "", line) for line in text.splitlines()]


def deployment(name: str) -> DeploymentFacts:
    replicas = (ReplicaFacts(f"{name}#1", "RUNNING", "n", 7), ReplicaFacts(f"{name}#2", "STARTING", None, None))
    return DeploymentFacts(name, "HEALTHY", "", 2, replicas)


def test_the_whole_tree() -> None:
    manager, organ = deployment("OrganismManager"), deployment("heart")
    apps = [ApplicationFacts("shop", "RUNNING", "", (manager, organ)), ApplicationFacts("b", "DEPLOYING", "", ())]
    jobs = [
        submission("init", "SUCCEEDED", metadata={**INIT, "seedcore.scheduled_by": "OrganismManager"}),
        submission("mine", "RUNNING", job_id="05"),
        driver("06", "SUCCEEDED", began=20),
    ]
    seen = snapshot(
        *jobs,
        apps=apps,
        nodes=[head("h", "ALIVE", 100), node("ALIVE", node_id="w"), node("DEAD", node_id="v")],
        actors=[controller("01"), actor("05"), actor("05", "Gone", state="DEAD")],
    )
    seen = replace(seen, serve=Known(ServeFacts("c1", tuple(apps))))
    assert lines(seen) == [
        "orchestrator whoever ran `ray start`",
        "  service Ray head node 127.0.0.1: alive",
        "    service Ray Serve: runs",
        "      application shop: running",
        "        deployment OrganismManager: healthy",
        "          replica OrganismManager#1 (pid 7): running",
        "          replica OrganismManager#2 (not placed): starting",
        "          job init coa-initialization: succeeded OK",
        "        organ heart: healthy",
        "          agent heart#1 (pid 7): running",
        "          agent heart#2 (not placed): starting",
        "      application b: deploying",
        "      job 01 application-server: running OK",
        "        driver driver of 01: running",
        "    service Ray Jobs API",
        "      job mine user: running OK",
        "        driver driver of 05: running",
        "          actor Worker (Worker05): alive",
        "    service drivers that connected",
        "      job 06 user: ended_unknown UNKNOWN",
        "        driver driver of 06: ended_unknown",
        "    job node:h cluster-initialization: succeeded OK",
        "  service worker node 127.0.0.1: alive",
        "  service worker node 127.0.0.1: dead",
    ]


def test_every_line_below_the_root_that_is_known_says_why_it_is_there() -> None:
    seen = snapshot(submission("a", "RUNNING", job_id="05"), nodes=[head("h", "ALIVE", 9)], actors=[actor("05")])
    proofs = {branch.id: branch.proof for _, branch in tree(seen).walk()}
    assert proofs == {
        "orchestrator": None,
        "node:h": "node table: is_head_node",
        "service:serve": "Serve: no controller",
        "service:jobs-api": "job list: it answers on the head",
        "job:a": "job list: it has a submission id",
        "driver:05": "job list: job id 05",
        "actor:Worker05ALIVE": "actor table: job_id 05, namespace mine",
        "service:drivers": "job list: rows of type DRIVER",
        "job:node:h": "a head node; its start is not a Ray job",
    }


def test_a_cluster_of_kuberay_is_told_by_its_labels() -> None:
    labelled = node("ALIVE", labels={"ray.io/cluster": "blue"})
    root = tree(snapshot(nodes=[labelled]))
    assert (root.name, root.proof) == ("KubeRay cluster blue", "node label ray.io/cluster")


def test_what_is_not_known_is_said() -> None:
    down = Unknown("down")
    seen = replace(snapshot(), jobs=down, nodes=down, actors=down, serve=down, driver_exits=down)
    assert lines(seen) == [
        "orchestrator whoever ran `ray start`",
        "  service Ray head node: not known",
        "    service Ray Serve: not known",
        "    service Ray Jobs API",
        "    service drivers that connected",
    ]


def test_without_a_manager_its_jobs_hang_below_the_jobs_api() -> None:
    seen = snapshot(submission("i", "RUNNING", metadata={"seedcore.scheduled_by": "OrganismManager"}))
    api = next(branch for _, branch in tree(seen).walk() if branch.id == "service:jobs-api")
    assert [child.id for child in api.children] == ["job:i"]


def test_a_server_that_is_none_of_serve_hangs_where_it_came_from() -> None:
    found = tree(snapshot(submission("s", "RUNNING", metadata=SERVER)))
    api = next(branch for _, branch in found.walk() if branch.id == "service:jobs-api")
    assert [child.id for child in api.children] == ["job:s"]


def test_what_is_on_its_way_is_drawn_before_what_has_ended() -> None:
    ended = [submission(f"e{each:03}", "SUCCEEDED", began=10 + each) for each in range(MAX_JOBS + 5)]
    seen = snapshot(*ended, submission("old", "RUNNING", began=9_000))
    ids = [branch.id for _, branch in tree(seen).walk()]
    drawn = [id for id in ids if id.startswith("job:")]
    assert (len(drawn), "job:old" in drawn, f"job:e{MAX_JOBS - 2:03}" in drawn) == (MAX_JOBS, True, True)
    more = next(branch for _, branch in tree(seen).walk() if branch.id == "more")
    assert more.name == "6 older jobs are not drawn: GET /jobs"


def test_many_nodes_leave_room_for_jobs_and_the_living_come_first() -> None:
    nodes = [node("DEAD", node_id=f"d{each:03}") for each in range(MAX_NODES)]
    nodes += [node("ALIVE", node_id=f"w{each:03}") for each in range(MAX_NODES)]
    found = tree(snapshot(submission("a", "RUNNING", began=90_000), nodes=nodes))
    ids = [branch.id for _, branch in found.walk()]
    assert [id for id in ids if id.startswith("node:")] == [f"node:w{each:03}" for each in range(MAX_NODES)]
    assert ("job:a" in ids, "more" in ids) == (True, False)
    last = found.children[-1]
    assert (last.id, last.name) == ("more-nodes", "50 more worker nodes are not drawn: GET /cluster/nodes")


def test_many_actors_are_counted() -> None:
    actors = [replace(actor("05"), actor_id=f"a{each:02}") for each in range(MAX_ACTORS_OF_A_JOB + 2)]
    found = tree(snapshot(driver("05", "RUNNING"), actors=actors))
    driven = next(branch for _, branch in found.walk() if branch.id == "driver:05")
    assert [child.name for child in driven.children][-1] == "2 more actors"
    assert len(driven.children) == MAX_ACTORS_OF_A_JOB + 1


def test_json_is_the_tree() -> None:
    root = Branch("r", "orchestrator", "x")
    root.add(Branch("c", "service", "y", "seen", "up"))
    child: dict[str, Any] = {"id": "c", "type": "service", "name": "y", "proof": "seen", "state": "up", "children": []}
    assert root.to_json() == {
        "id": "r",
        "type": "orchestrator",
        "name": "x",
        "proof": None,
        "state": None,
        "children": [child],
    }


def two(name: str, proof: str | None = "seen", state: str | None = "up") -> Branch:
    root = Branch("r", "orchestrator", "x")
    root.add(Branch("c", "job", name, proof, state))
    return root


@pytest.mark.parametrize(
    ("name", "text", "label"),
    [
        ("plain", "plain", "plain"),
        ('a"] --> n9["b', 'a"] --> n9["b', "a#34;#93; --#62; n9#91;#34;b"),
        ("a\nend\n  click n0", "a end   click n0", "a#10;end#10;  click n0"),
        ("a\r\nb", "a b", "a#10;b"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>", "#60;script#62;alert(1)#60;/script#62;"),
        ("`**bold**`;%%x", "`**bold**`;%%x", "#96;#42;#42;bold#42;#42;#96;#59;#37;#37;x"),
        ("#quot;", "#quot;", "#35;quot#59;"),
        ("\x1b[31mred\x1b[0m", "red", "red"),
        ("a\u2028b\x0bc\u202ed", "abcd", "abcd"),
        ("Grüße 😀", "Grüße 😀", "Gr#252;#223;e #128512;"),
        ("{{x}}|y|", "{{x}}|y|", "#123;#123;x#125;#125;#124;y#124;"),
    ],
)
def test_a_name_stands_in_its_own_line_and_label(name: str, text: str, label: str) -> None:
    assert text_tree(two(name)) == f"orchestrator x\n  job {text}: up  [seen]\n"
    assert mermaid(two(name)).splitlines() == [
        "flowchart LR",
        '  n0["orchestrator x"]',
        f'  n1["job {label} - up"]',
        '  n0 -->|"seen"| n1',
    ]


def test_an_edge_without_proof_has_no_label() -> None:
    assert mermaid(two("a", None, None)) == 'flowchart LR\n  n0["orchestrator x"]\n  n1["job a"]\n  n0 --> n1\n'


def test_edges_go_from_each_branch_to_those_below_it() -> None:
    root = Branch("0", "a", "0")
    first = root.add(Branch("1", "a", "1"))
    first.add(Branch("2", "a", "2"))
    first.add(Branch("3", "a", "3"))
    root.add(Branch("4", "a", "4"))
    edges = [line.strip() for line in mermaid(root).splitlines() if "-->" in line]
    assert edges == ["n0 --> n1", "n1 --> n2", "n1 --> n3", "n0 --> n4"]


NODE = re.compile(r'  n\d+\["[A-Za-z0-9 _.,:/=()@+#;\-]+"\]')
EDGE = re.compile(r'  n\d+ -->(\|"[A-Za-z0-9 _.,:/=()@+#;\-]*"\|)? n\d+')


@settings(deadline=None)
@given(st.text(max_size=400), st.text(max_size=400), st.text(max_size=400))
def test_whatever_the_names_there_are_as_many_lines_as_branches(name: str, proof: str, state: str) -> None:
    root = two(name, proof, state)
    text = text_tree(root)
    assert len(text.split("\n")) == len(text.splitlines()) + 1 == 3
    assert all(len(line) <= 310 for line in text.splitlines())
    first, *drawn = mermaid(root).splitlines()
    assert first == "flowchart LR"
    assert [bool((NODE if place < 2 else EDGE).fullmatch(line)) for place, line in enumerate(drawn)] == [True] * 3
