"""Why a deployment does not start or answer: Serve's words, how its replicas died, and the ends of their logs."""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from serve_app.cluster.dashboard import Listing, Piece
from serve_app.cluster.private import UnknownRay
from serve_app.errors import AppError, NotFound
from serve_app.jobs.diagnosis.evidence import sentences
from serve_app.jobs.diagnosis.models import Diagnosis, Fields, SourceKind, TextSource
from serve_app.schemas.diagnosis import DiagnosisView

Json = dict[str, Any]
Engine = Callable[[Fields, Sequence[TextSource]], Diagnosis]

# Whoever asks for the status of the organism asks for this each time.
FRESH_FOR_S = 15.0
LOG_BYTES = 131_072
MOST_LOGS = 3
_MOST_ACTORS = 50
_REMEMBERED = 100
# States in which a replica has nothing to complain of come last (``ReplicaState`` of ray/serve/_private/common.py).
_WELL = ("RUNNING", "STOPPING")
_LOG = re.compile(r"/?serve/[A-Za-z0-9_.#-]{1,250}\.log")
_AGENT = re.compile(r"http://[A-Za-z0-9_.:\[\]-]{1,255}")


class ServeSource(Protocol):
    """The questions that this asks; ``dashboard.DashboardClient`` answers them."""

    async def get_serve_applications(self) -> Json: ...

    async def read_piece(self, url: str, start: int, most_bytes: int) -> Piece: ...

    async def list_rows(self, table: str, most_rows: int, **equals: str) -> Listing: ...


class Deployments:
    """Diagnoses of the deployments of one application. One at a time, each kept for some seconds."""

    def __init__(
        self,
        client: ServeSource,
        agent_of: Callable[[str], str | None],
        engine: Engine,
        application: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``agent_of`` tells the address of a node's agent; it and ``engine`` block."""
        self._engine = engine
        self._client = client
        self._agent_of = agent_of
        self._application = application
        self._clock = clock
        self._made: OrderedDict[tuple[str, bool], tuple[float, DiagnosisView | None]] = OrderedDict()
        self._one = asyncio.Lock()

    async def diagnose(self, name: str, *, failed: bool) -> DiagnosisView | None:
        """The diagnosis of a deployment; None when nothing tells of a failure, or Serve has no such deployment.

        ``failed``: it is known not to do its work, so that ``unknown`` is an answer. Raises what Serve's account of
        itself raises.
        """
        key = (name, failed)
        async with self._one:
            made = self._made.get(key)
            if made is None or self._clock() - made[0] > FRESH_FOR_S:
                made = self._made[key] = (self._clock(), await self._make(name, failed))
                self._made.move_to_end(key)
                while len(self._made) > _REMEMBERED:
                    self._made.popitem(last=False)
            return made[1]

    async def _make(self, name: str, failed: bool) -> DiagnosisView | None:
        told = await self._client.get_serve_applications()
        application = _get_mapping(_get_mapping(told, "applications"), self._application)
        deployment = _get_mapping(_get_mapping(application, "deployments"), name)
        if not deployment:
            return None
        unavailable: list[str] = []
        sources = [
            *_list_messages(f"Serve's status of the application {self._application}", application),
            *_list_messages(f"Serve's status of {name}", deployment),
            *await self._list_deaths(name, unavailable),
            *await self._read_logs(deployment, unavailable),
        ]
        fields = Fields(status="FAILED" if failed else None)
        found = replace(await asyncio.to_thread(self._engine, fields, sources), unavailable=tuple(unavailable))
        return None if found.code is None else found.render_json()

    async def _list_deaths(self, name: str, unavailable: list[str]) -> list[TextSource]:
        """Why replicas died, as the actor table has it."""
        kind = f"ServeReplica:{self._application}:{name}"
        try:
            listing = await self._client.list_rows("actors", _MOST_ACTORS, class_name=kind, state="DEAD")
        except AppError as error:
            unavailable.append(f"The actor table: {error.detail}")
            return []
        return sentences.describe_actors(row for row in listing.rows if isinstance(row, dict))

    async def _read_logs(self, deployment: Mapping[str, Any], unavailable: list[str]) -> list[TextSource]:
        rows = deployment.get("replicas")
        replicas = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        replicas.sort(key=lambda row: row.get("state") in _WELL)
        found = [await self._read_log(row, unavailable) for row in replicas[:MOST_LOGS]]
        return [source for source in found if source is not None]

    async def _read_log(self, replica: Mapping[str, Any], unavailable: list[str]) -> TextSource | None:
        """The end of the log of one replica, from its first whole line; None when there is none."""
        path, node_id = replica.get("log_file_path"), replica.get("node_id")
        if not (isinstance(path, str) and _LOG.fullmatch(path) and isinstance(node_id, str)):
            return None
        name = path.rsplit("/", 1)[1]
        try:
            agent = await asyncio.to_thread(self._agent_of, node_id)
        except UnknownRay:
            agent = None
        if agent is None or not _AGENT.fullmatch(agent):
            unavailable.append(f"{name}: the agent of its node is not known.")
            return None
        try:
            piece = await self._client.read_piece(f"{agent}/logs/serve/{name}", -LOG_BYTES, LOG_BYTES)
        except NotFound:
            return None
        except AppError as error:
            unavailable.append(f"{name}: {error.detail}")
            return None
        data = piece.data if piece.start == 0 else piece.data[piece.data.find(b"\n") + 1 :]
        return TextSource(name, SourceKind.SERVE, [data]) if data else None


def _list_messages(name: str, status: Mapping[str, Any]) -> list[TextSource]:
    message = status.get("message")
    text = f"{status.get('status')}: {message}" if message else ""
    return [sentences.build_source(name, text, SourceKind.SERVE)] if text else []


def _get_mapping(outer: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = outer.get(name)
    return found if isinstance(found, Mapping) else {}
