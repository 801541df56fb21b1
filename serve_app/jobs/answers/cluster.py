"""What the API answers about the cluster: Ray itself, resources, nodes, actors, Serve. All answers are plain dicts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from organs.times import format_time
from serve_app.errors import Unavailable
from serve_app.forward import served
from serve_app.jobs import views
from serve_app.jobs.answers.deployments import DeploymentTroubles
from serve_app.jobs.answers.versions import Versions
from serve_app.jobs.judging import findings
from serve_app.jobs.judging.pending import list_shortages
from serve_app.jobs.models import ActorFacts, Known, Unknown
from serve_app.jobs.queries import ActorsQuery
from serve_app.jobs.reading.observed import describe_freshness, require
from serve_app.jobs.reading.replica import Replica
from serve_app.jobs.watch import JobWatch
from serve_app.queries.paging import cut_page, read_cursor
from serve_app.queries.query import PlainQuery, read_query
from serve_app.schemas.cluster import (
    ActorPage,
    CodeVersions,
    DeploymentView,
    LeftoverPage,
    PlainNodePage,
    RayStatusAnswer,
    ResourcesAnswer,
)
from serve_app.schemas.findings import FindingsAnswer

_MAX_NODES = 500
_ACTOR_FILTERS = ("state", "job_id", "class_name")


class ClusterAnswers:
    """Everything that is no job."""

    def __init__(
        self,
        watch: JobWatch,
        here: Replica,
        versions: Versions,
        now: Callable[[], datetime],
        troubles: DeploymentTroubles,
    ) -> None:
        self._watch = watch
        self._here = here
        self._versions = versions
        self._now = now
        self._troubles = troubles

    @served("ray_status")
    async def answer_ray_status(self) -> RayStatusAnswer:
        """Whether Ray answers, with resources. That it does not is an answer here, not an error."""
        try:
            seen = await self._watch.get()
        except Unavailable as error:
            return {
                "ray_configured": True,
                "ray_available": False,
                "cluster_info": {},
                "as_of": None,
                "degraded": [error.detail],
            }
        resources = await self._watch.get_resources()
        total, available = resources.value if isinstance(resources, Known) else ({}, {})
        nodes = seen.snapshot.nodes.value if isinstance(seen.snapshot.nodes, Known) else ()
        degraded = [*seen.degraded, *([f"resources: {resources.reason}"] if isinstance(resources, Unknown) else [])]
        return {
            "ray_configured": True,
            "ray_available": seen.answered,
            "cluster_info": {
                "status": "initialized",
                "cluster_resources": total,
                "available_resources": available,
                "nodes": sum(node.alive for node in nodes),
                "ray_version": self._here.ray_version,
                "session": self._here.session,
            },
            "events": self._watch.events,
            "cost": self._watch.cost,
            "as_of": format_time(seen.snapshot.taken_at),
            "degraded": degraded,
        }

    @served("code_versions")
    async def answer_code_versions(self) -> CodeVersions:
        """Which code each replica of this application runs; without Serve's account of its replicas there are none."""
        try:
            serve = (await self._watch.get()).snapshot.serve
        except Unavailable:
            return await self._versions.tell(None)
        return await self._versions.tell(serve.value if isinstance(serve, Known) else None)

    @served("deployment_troubles")
    async def answer_troubles(self) -> FindingsAnswer:
        """The findings about deployments alone: readiness asks often, and the others take looking at every job."""
        seen = await self._watch.get()
        found, missing = await self._troubles.find(seen.snapshot.serve)
        answer = describe_freshness(seen)
        answer["degraded"] += missing
        return {"items": [views.render_finding(each) for each in found], **answer}

    @served("cluster_resources")
    async def answer_resources(self) -> ResourcesAnswer:
        """Total, available and used amounts by resource; raises ``Unavailable``."""
        resources = await self._watch.get_resources()
        total, available = require(resources)
        used = {name: round(amount - available.get(name, 0.0), 6) for name, amount in total.items()}
        return {"total": total, "available": available, "used": used, "as_of": format_time(self._now())}

    async def answer_nodes(self) -> PlainNodePage:
        """Nodes, the living first; raises ``Unavailable``."""
        seen = await self._watch.get()
        known = require(seen.snapshot.nodes)
        nodes = sorted(known, key=lambda node: (not node.alive, not node.is_head, node.node_id))
        answer = describe_freshness(seen)
        if len(nodes) > _MAX_NODES:
            answer["degraded"].append(f"{_MAX_NODES} of {len(nodes)} nodes are shown.")
        return {"items": [views.render_node(node) for node in nodes[:_MAX_NODES]], "next_cursor": None, **answer}

    @served("cluster_actors")
    async def answer_actors(self, query: PlainQuery) -> ActorPage:
        """A page of actors, the living first, by ``state``, ``job_id``, ``class_name``; raises ``InvalidInput``."""
        asked = read_query(ActorsQuery, query)
        after = read_cursor(asked.cursor)
        wanted = [(name, value) for name in _ACTOR_FILTERS if (value := getattr(asked, name))]
        seen = await self._watch.get()
        actors = [
            actor
            for actor in require(seen.snapshot.actors)
            if all(str(getattr(actor, name)).casefold() == value.casefold() for name, value in wanted)
        ]
        actors.sort(key=_get_actor_key, reverse=True)
        taken, next_cursor = cut_page(actors, _get_actor_key, asked.limit, after)
        return {
            "items": [views.render_actor(actor) for actor in taken],
            "next_cursor": next_cursor,
            **describe_freshness(seen),
        }

    @served("cluster_leftovers")
    async def answer_leftovers(self) -> LeftoverPage:
        """Actors that outlived their job; raises ``Unavailable`` when the actor table is not there to tell."""
        seen = await self._watch.get()
        require(seen.snapshot.actors)
        found = [each for each in self._watch.find_findings(seen) if each.rule == findings.LEFTOVER]
        return {
            "items": [views.render_finding(each) for each in found],
            "next_cursor": None,
            **describe_freshness(seen),
        }

    @served("serve_details")
    async def answer_serve_details(self) -> dict[str, DeploymentView]:
        """The deployments of this application by name; raises ``Unavailable``."""
        seen = await self._watch.get()
        snapshot, serve = seen.snapshot, require(seen.snapshot.serve)
        shortages = list_shortages(serve, snapshot.nodes, snapshot.autoscaler)
        return views.render_serve(serve, self._here.application, shortages)


def _get_actor_key(actor: ActorFacts) -> tuple[int, str]:
    return int(actor.state != "DEAD"), actor.actor_id
