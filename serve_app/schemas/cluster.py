"""`/ray/status`, `/cluster/…`: Ray itself, resources, nodes, actors, and what jobs left behind."""

from __future__ import annotations

from typing import Annotated, NotRequired

from typing_extensions import TypedDict

from organs.fields import Time, closed, describe, describe_time
from serve_app.schemas.common import Amounts, PagedAnswer, WholeAnswer
from serve_app.schemas.findings import FindingView

_A_NODE = "6b7f0d1c2a3e4f5061728394a5b6c7d8e9f00112233445"


@closed
class ClusterInfo(TypedDict, total=False):
    """What is known of the cluster; empty while Ray has not answered yet."""

    status: Annotated[str, describe("Whether Ray was reached.", "initialized")]
    cluster_resources: Annotated[Amounts, describe("In all.", {"CPU": 8.0}, unit="units of the resource")]
    available_resources: Annotated[Amounts, describe("Not reserved.", {"CPU": 6.0}, unit="units of the resource")]
    nodes: Annotated[int, describe("Living nodes.", 1, unit="nodes")]
    ray_version: Annotated[str, describe("Ray's version.", "2.60.0")]
    session: Annotated[str, describe("Ray's name for this life of the cluster.", "session_2026-01-31_11-58-02_1_7")]


@closed
class PushedEvents(TypedDict):
    """What Ray pushed by itself (`POST /events/{key}`)."""

    last_at: Annotated[Time | None, describe_time("When it last did; null: never.")]
    not_understood: Annotated[int, describe("Events that meant nothing here.", 0, unit="events")]


@closed
class ReplicaCode(TypedDict):
    """Which code one replica runs."""

    deployment: Annotated[str, describe("Its deployment.", "Ingress")]
    replica_id: Annotated[str, describe("Serve's id of it.", "k3x9q1")]
    state: Annotated[str, describe("Serve's word for its state.", "RUNNING")]
    code_version: Annotated[
        str | None,
        describe("What it says; null: it does not answer, or is of a version that cannot tell.", "0.1.0+3f9c"),
    ]


@closed
class CodeVersions(TypedDict):
    """Whether what runs is what was deployed."""

    expected: Annotated[str, describe("The code that was deployed.", "0.1.0+3f9c")]
    mixed: Annotated[bool | None, describe("Whether some replica runs other code; null: not all could tell.", False)]
    replicas: Annotated[list[ReplicaCode], describe("Every replica of this application.")]


@closed
class LookingCost(TypedDict):
    """What looking at the cluster costs."""

    questions: Annotated[int, describe("To Ray's dashboard since the inspector began.", 1200, unit="questions")]
    look_s: Annotated[float, describe("How long the latest look at all jobs took.", 0.12, unit="s")]
    rounds: Annotated[int, describe("Rounds over running jobs, whether they move.", 180, unit="rounds")]
    round_s: Annotated[float, describe("How long the latest of those took.", 0.3, unit="s")]


@closed
class RayStatusAnswer(TypedDict):
    """Whether Ray is there, with what. That it is not is an answer here, no error."""

    ray_configured: Annotated[bool, describe("Always true: the application is a part of Ray.", True)]
    ray_available: Annotated[bool, describe("Whether Ray answered the latest look.", True)]
    cluster_info: Annotated[ClusterInfo, describe("What it consists of.")]
    events: NotRequired[Annotated[PushedEvents, describe("What Ray pushed; not said before its first answer.")]]
    cost: NotRequired[Annotated[LookingCost, describe("What looking costs; not said before Ray's first answer.")]]
    versions: NotRequired[
        Annotated[
            CodeVersions,
            describe("Which code each replica of this application runs; not said by an inspector that cannot."),
        ]
    ]
    as_of: Annotated[Time | None, describe_time("When this was seen; null: Ray has not answered yet.")]
    degraded: Annotated[list[str], describe("What is missing or old, a sentence each.", ["Serve: no answer"])]


@closed
class ResourcesAnswer(TypedDict):
    """Logical resources, which tasks reserve and may not use."""

    total: Annotated[Amounts, describe("In all.", {"CPU": 8.0}, unit="units of the resource")]
    available: Annotated[Amounts, describe("Not reserved.", {"CPU": 6.0}, unit="units of the resource")]
    used: Annotated[Amounts, describe("Reserved.", {"CPU": 2.0}, unit="units of the resource")]
    as_of: Annotated[Time, describe_time("When they were counted.")]


@closed
class NodeUseNow(TypedDict):
    """What a node really uses now; null: not known."""

    cpu_ratio: Annotated[float | None, describe("Processors in use.", 0.31, unit="ratio, 0 to 1")]
    memory_ratio: Annotated[float | None, describe("Memory in use.", 0.42, unit="ratio, 0 to 1")]
    disk_ratio: Annotated[float | None, describe("The fullest disk.", 0.55, unit="ratio, 0 to 1")]
    gpu_ratio: NotRequired[
        Annotated[float | None, describe("GPUs in use; not said of a node without.", 0.9, unit="ratio, 0 to 1")]
    ]
    network_receive_bytes_per_s: Annotated[float | None, describe("Received.", 1250.0, unit="bytes/s")]
    network_send_bytes_per_s: Annotated[float | None, describe("Sent.", 980.5, unit="bytes/s")]


@closed
class NodeView(TypedDict):
    """A node, alive or remembered."""

    node_id: Annotated[str, describe("Ray's id of it.", _A_NODE)]
    ip: Annotated[str, describe("Its address.", "192.0.2.1")]
    is_head: Annotated[bool, describe("Whether it is the head.", True)]
    state: Annotated[str, describe("Ray's word: `ALIVE` or `DEAD`.", "ALIVE")]
    message: Annotated[str | None, describe("Ray's sentence about its state.", "Expected termination: drained.")]
    started_at: Annotated[Time | None, describe_time("When it joined.")]
    ended_at: Annotated[Time | None, describe_time("When it was gone; null: it is alive.")]
    resources: Annotated[Amounts, describe("What it brought.", {"CPU": 8.0}, unit="units of the resource")]
    labels: Annotated[dict[str, str], describe("Its labels in Ray.", {"ray.io/node-group": "workers"})]


@closed
class MeasuredNodeView(NodeView):
    """A node with what it really uses."""

    utilisation: Annotated[NodeUseNow | None, describe("What it uses now; null: not measured.")]


@closed
class PlainNodePage(WholeAnswer):
    """Nodes before their use is added."""

    items: Annotated[list[NodeView], describe("The nodes, the living first, at most 500.")]


@closed
class NodePage(WholeAnswer):
    """Nodes, the living first, dead ones too."""

    items: Annotated[list[MeasuredNodeView], describe("The nodes, at most 500.")]


@closed
class ActorView(TypedDict):
    """An actor, alive or remembered."""

    actor_id: Annotated[str, describe("Ray's id of it.", "8d3f6c1b2a594e0701000000")]
    class_name: Annotated[str, describe("Its class.", "Cleaner")]
    name: Annotated[str | None, describe("Its name, if it was given one.", "cleaner")]
    state: Annotated[str, describe("Ray's word, as `ALIVE` or `DEAD`.", "ALIVE")]
    job_id: Annotated[str, describe("The job that made it.", "01000000")]
    namespace: Annotated[str, describe("Where its name means something.", "reports")]
    node_id: Annotated[str | None, describe("Where it is.", _A_NODE)]
    pid: Annotated[int | None, describe("Its process.", 4712, unit="process id")]


@closed
class ActorPage(PagedAnswer):
    """A page of actors, the living first."""

    items: Annotated[list[ActorView], describe("The actors of this page.")]


@closed
class LeftoverPage(WholeAnswer):
    """Actors that outlived their job: one entry for each job that left some."""

    items: Annotated[list[FindingView], describe("The jobs that left some.")]


@closed
class ReplicaView(TypedDict):
    """One replica of a Serve deployment."""

    replica_id: Annotated[str, describe("Serve's id of it.", "k3x9q1")]
    state: Annotated[str, describe("Serve's word.", "RUNNING")]
    node_id: Annotated[str | None, describe("Where it is.", _A_NODE)]
    pid: Annotated[int | None, describe("Its process.", 4713, unit="process id")]


@closed
class ShortageView(TypedDict):
    """A replica that no node can hold as it is. Not published by itself."""

    sentence: Annotated[str, describe("What it needs, and what there is.", "o needs 64 CPU for each replica; …")]
    hopeless: Annotated[bool, describe("Whether nothing is on its way that would change it.", True)]


@closed
class DeploymentView(TypedDict):
    """A Serve deployment, as the organism is compared with it. Not published by itself."""

    status: Annotated[str, describe("Serve's word.", "HEALTHY")]
    message: Annotated[str, describe("Serve's sentence, redacted.", "")]
    target_num_replicas: Annotated[int, describe("Wanted.", 2, unit="replicas")]
    running: Annotated[int, describe("Running.", 2, unit="replicas")]
    least_replicas: Annotated[
        int | None, describe("If it scales by itself: how few; 0: it may sleep.", 1, unit="replicas")
    ]
    shortage: Annotated[ShortageView | None, describe("Why no node can hold a replica; null: one can, or all run.")]
    replicas: Annotated[list[ReplicaView], describe("Each of them.")]


@closed
class EventsAnswer(TypedDict):
    """What came of events that Ray pushed."""

    told: Annotated[int, describe("Events that told something.", 3, unit="events")]
