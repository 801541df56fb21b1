"""What all replicas of this application can tell, whatever they are for."""

from __future__ import annotations

from typing import Any, Self

from ray import serve

from organs.version import ReplicaVersion, read_own_version


class Versioned:
    """A deployment whose replicas say which code they run."""

    def __new__(cls, *_: Any, **__: Any) -> Self:
        """Read the version now, while the files are still those that were imported."""
        read_own_version()
        return super().__new__(cls)

    async def tell_version(self) -> ReplicaVersion:
        """The code of this replica; asked of all at once (``handle.broadcast``)."""
        return {"replica_id": serve.get_replica_context().replica_tag, "code_version": read_own_version()}
