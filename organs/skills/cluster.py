"""What the Ray cluster consists of, as Ray itself says."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from organs.skills.contract import Outcome, Skill, SkillContext

MAX_NODES = 1000


class NoInput(BaseModel):
    """Nothing to say."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ClusterResources(Skill[NoInput]):
    """Resources in all and free."""

    name = "cluster.resources"
    summary = "Tells the cluster's logical resources, in all and free."
    organ_type = "Utility"
    keywords = ("cluster", "resource", "cpu", "gpu", "memory", "free", "capacity")
    idempotent = True
    Input = NoInput

    async def run(self, input: NoInput, context: SkillContext) -> Outcome:
        return Outcome(await context.ports.cluster.resources())


class ClusterNodes(Skill[NoInput]):
    """The nodes, dead ones too."""

    name = "cluster.nodes"
    summary = "Lists the nodes of the cluster with their state and resources."
    organ_type = "Utility"
    keywords = ("cluster", "node", "machine", "host", "alive", "dead")
    idempotent = True
    Input = NoInput

    async def run(self, input: NoInput, context: SkillContext) -> Outcome:
        nodes = await context.ports.cluster.nodes()
        return Outcome({"items": nodes[:MAX_NODES], "total": len(nodes)}, min(1.0, MAX_NODES / max(1, len(nodes))))
