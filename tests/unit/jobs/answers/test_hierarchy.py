"""Who manages what, how it came up, and drawings that no name can break."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from serve_app.jobs.answers.drawing import draw_mermaid, draw_text
from serve_app.jobs.answers.hierarchy import MAX_JOBS, Branch, build_hierarchy
from serve_app.jobs.answers.lifecycle import build_lifecycle
from serve_app.jobs.judging.judge import judge
from serve_app.jobs.models import Known, Snapshot, Unknown
from serve_app.jobs.serve_facts import ApplicationFacts, DeploymentFacts, ReplicaFacts, ServeFacts
from serve_app.parts import ALL as PARTS
from tests.unit.jobs.judging.test_judge import INIT, NOW, actor, ago, controller, driver, head, snapshot, submission
from tests.unit.jobs.judging.test_outcome import node

OURS = {**INIT, "seedcore.scheduled_by": "OrganismManager"}


def deployment(name: str, replica: str = "r1") -> DeploymentFacts:
    return DeploymentFacts(name, "HEALTHY", "", 1, (ReplicaFacts(replica, "RUNNING", "n", 7),))


def cluster(**changes: Any) -> Snapshot:
    app = ApplicationFacts(
        "seedcore", "RUNNING", "", (deployment("OrganismManager"), deployment("cognitive_organ_1")), ago(80)
    )
    other = ApplicationFacts("shop", "RUNNING", "", (deployment("Front"),))
    made = snapshot(
        submission("coa-1", "SUCCEEDED", began=60, took=20, metadata=OURS, job_id="03000000"),
        submission("train", "RUNNING", job_id="04000000"),
        driver("05000000", "RUNNING"),
        actors=[controller("01000000"), actor("05000000"), actor("05000000", "Other", state="DEAD")],
        nodes=[head("h", "ALIVE", 100), node("ALIVE", node_id="w", ip="10.0.0.2", started_at=ago(90))],
    )
    return replace(made, serve=Known(ServeFacts("abc", (app, other))), **changes)


def paths(branch: Branch, above: str = "") -> list[str]:
    here = f"{above}/{branch.type}:{branch.name}"
    return [here, *(path for child in branch.children for path in paths(child, here))]


def tree(seen: Snapshot) -> Branch:
    return build_hierarchy(seen, judge(seen, NOW), "seedcore", PARTS)


def test_everything_hangs_where_its_proof_says() -> None:
    root = "/orchestrator:whoever ran `ray start`"
    top = f"{root}/service:Ray head node 127.0.0.1"
    manager = f"{top}/service:Ray Serve/application:seedcore/deployment:OrganismManager"
    assert sorted(paths(tree(cluster()))) == sorted(
        [
            root,
            top,
            f"{top}/service:Ray Serve",
            f"{top}/service:Ray Serve/application:seedcore",
            manager,
            f"{manager}/replica:r1 (pid 7)",
            f"{manager}/job:coa-1 coa-initialization",
            f"{manager}/job:coa-1 coa-initialization/driver:driver of 03000000",
            f"{top}/service:Ray Serve/application:seedcore/organ:cognitive_organ_1",
            f"{top}/service:Ray Serve/application:seedcore/organ:cognitive_organ_1/agent:r1 (pid 7)",
            f"{top}/service:Ray Serve/application:shop",
            f"{top}/service:Ray Serve/application:shop/deployment:Front",
            f"{top}/service:Ray Serve/application:shop/deployment:Front/replica:r1 (pid 7)",
            f"{top}/service:Ray Serve/job:01000000 application-server",
            f"{top}/service:Ray Serve/job:01000000 application-server/driver:driver of 01000000",
            f"{top}/service:Ray Jobs API",
            f"{top}/service:Ray Jobs API/job:train user",
            f"{top}/service:Ray Jobs API/job:train user/driver:driver of 04000000",
            f"{top}/service:drivers that connected",
            f"{top}/service:drivers that connected/job:05000000 user",
            f"{top}/service:drivers that connected/job:05000000 user/driver:driver of 05000000",
            f"{top}/service:drivers that connected/job:05000000 user/driver:driver of 05000000/actor:Worker (Worker05)",
            f"{top}/job:node:h cluster-initialization",
            f"{root}/service:worker node 10.0.0.2",
        ]
    )
    every = [branch for _, branch in tree(cluster()).walk()]
    assert [branch.name for branch in every[1:] if not branch.proof] == []


@pytest.mark.parametrize("missing", ["serve", "nodes", "actors", "jobs"])
def test_a_missing_section_leaves_the_rest(missing: str) -> None:
    root = tree(replace(cluster(), **{missing: Unknown("down")}))
    assert root.type == "orchestrator"
    assert root.to_json()["children"]


def test_kuberay_says_so_by_its_labels() -> None:
    seen = cluster(nodes=Known((replace(head("h", "ALIVE", 100), labels={"ray.io/cluster": "prod"}),)))
    root = tree(seen)
    assert (root.name, root.proof) == ("KubeRay cluster prod", "node label ray.io/cluster")


def test_of_many_jobs_the_newest_and_the_running_are_drawn() -> None:
    jobs = [submission(f"old{number:03}", "SUCCEEDED", began=1000 - number) for number in range(MAX_JOBS + 30)]
    seen = snapshot(*jobs, submission("long", "RUNNING", began=90_000), nodes=[head("h", "ALIVE", 99_000)])
    names = [branch.name for _, branch in tree(seen).walk() if branch.type in ("job", "note")]
    assert "long user" in names
    assert names[-1] == f"{30 + 2} older jobs are not drawn: GET /jobs"


HOSTILE = [
    '"] --> x; click a "javascript:alert(1)"',
    "</div><script>",
    "a\nb\r\x1b[31m",
    "`graph` |x| #quot; %%{init}%%",
    "\u202e",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_breaks_a_drawing(name: str) -> None:
    root = Branch("r", "orchestrator", "root")
    root.add(Branch(name, "job", name, proof=name, state=name)).add(Branch("c", "driver", "child", "p"))
    lines = draw_mermaid(root).splitlines()
    assert len(lines) == 1 + 3 + 2
    label = r"[A-Za-z0-9 _.,:/=()@+\-#;]*"
    node_line, edge_line = rf'  n\d+\["{label}"\]', rf'  n\d+ --> ?\|"{label}"\| n\d+|  n\d+ --> n\d+'
    assert [
        line for line in lines[1:] if not re.fullmatch(f"{node_line}|{edge_line}".replace("--> ?", "-->"), line)
    ] == []
    text = draw_text(root)
    assert len(text.splitlines()) == 3
    assert not set(text) & {"\x1b", "\r", "\u202e"}


def test_the_start_up_has_its_times() -> None:
    seen = cluster()
    steps = {step["step"]: step for step in build_lifecycle(seen, judge(seen, NOW), "seedcore", ago(95))}
    assert {name: (step["state"], step["after_s"], step["duration_s"]) for name, step in steps.items()} == {
        "head-up": ("done", 0.0, None),
        "serve-controller": ("done", 5.0, None),
        "application-server": ("done", None, None),
        "application": ("done", 20.0, None),
        "initialization": ("done", 40.0, 20.0),
        "ready": ("done", 60.0, None),
    }


@pytest.mark.parametrize(
    ("seen", "states"),
    [
        (snapshot(), ["missing"] * 6),
        (
            replace(snapshot(), nodes=Unknown("d"), actors=Unknown("d"), serve=Unknown("d")),
            ["unknown", "unknown", "unknown", "unknown", "missing", "missing"],
        ),
        (
            # An initialization of an earlier head is none of this one.
            snapshot(submission("a", "SUCCEEDED", began=900, metadata=INIT), nodes=[head("h", "ALIVE", 100)]),
            ["done", "missing", "missing", "missing", "missing", "missing"],
        ),
        (
            snapshot(submission("a", "RUNNING", began=9, metadata=INIT), nodes=[head("h", "ALIVE", 100)]),
            ["done", "missing", "missing", "missing", "running", "missing"],
        ),
    ],
)
def test_what_has_not_happened_is_missing_and_what_cannot_be_known_unknown(seen: Snapshot, states: list[str]) -> None:
    steps = build_lifecycle(seen, judge(seen, NOW), "seedcore", None)
    assert [step["state"] for step in steps] == states
