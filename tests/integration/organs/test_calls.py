"""How calls between deployments end, with Serve's own routers and replicas: over gRPC, as here, and by reference."""

from __future__ import annotations

import json

import pytest

from tests.integration.cluster import Cluster

# A deployment that takes one call at a time, and answers with a class that only its own process has.
PROGRAM = """
from __future__ import annotations
import asyncio, json, sys
from collections.abc import AsyncGenerator
from typing import Any, Protocol
import ray
from ray import serve
from serve_app.cluster.handles import connect
from serve_app.errors import AppError, Unavailable

class Part(Protocol):
    async def fail(self) -> Any: ...
    async def answer(self) -> Any: ...
    async def not_there(self) -> Any: ...
    async def work(self) -> Any: ...
    def follow(self) -> AsyncGenerator[Any, None]: ...

@serve.deployment(max_ongoing_requests=1, ray_actor_options={"num_cpus": 0})
class Old:
    def make(self, base):
        import sys, types
        module = sys.modules.setdefault("serve_app.handles", types.ModuleType("serve_app.handles"))
        module.Gone = type("Gone", (base,), {"__module__": "serve_app.handles"})
        return module.Gone
    async def fail(self):
        raise self.make(Unavailable)("No.")
    async def answer(self):
        return self.make(object)()
    async def follow(self):
        yield self.make(object)()
    async def work(self):
        import asyncio
        await asyncio.sleep(60)

async def end(answer):
    try:
        return repr(await answer)
    except AppError as error:
        return type(error).__name__

async def main():
    handle = serve.run(Old.bind(), name="calls", route_prefix=None)
    told = {"by_reference": handle.answer.remote().by_reference}
    part = connect(Part, handle, timeout_s=5)
    for name in ("fail", "answer", "not_there"):
        told[name] = await end(getattr(part, name)())
    told["follow"] = await end(anext(part.follow()))
    working = asyncio.create_task(end(connect(Part, handle, timeout_s=4).work()))
    await asyncio.sleep(1)
    told["waits"] = await end(connect(Part, handle, timeout_s=1).work())
    told["work"] = await working
    print(json.dumps(told))

ray.init()
asyncio.run(main())
serve.delete("calls")
"""


@pytest.mark.parametrize(("optimized", "by_reference"), [("1", False), ("0", True)])
def test_how_a_call_ends(cluster: Cluster, optimized: str, by_reference: bool) -> None:
    code = f"import os; os.environ['RAY_SERVE_THROUGHPUT_OPTIMIZED'] = '{optimized}'\n"
    # What is imported from the future must come first.
    done = cluster.run_driver(PROGRAM.replace("import asyncio, json, sys\n", f"{code}import asyncio, json, sys\n"))
    assert done.returncode == 0, done.stderr[-3000:]
    # Ray prints what replicas say between, and after it.
    told = next(line for line in done.stdout.splitlines() if line.startswith('{"by_reference"'))
    assert json.loads(told) == {
        "by_reference": by_reference,
        "fail": "Unavailable",
        "answer": "Unavailable",
        "follow": "Unavailable",
        "not_there": "Unavailable",
        "waits": "NotTaken",
        "work": "DeadlineExceeded",
    }
