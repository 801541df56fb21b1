"""Disks that are full, alone or behind an object store that is full, and spilling that is fine."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.corpus.program import Program, healthy
from tests.corpus.scenes import small_disk
from tests.record.cluster import Cluster
from tests.record.nodes import head

_SMALL = Path(tempfile.gettempdir()) / "data-small"
FILL = """import numpy as np
import ray

ray.init()
kept = []
for part in range(12):
    kept.append(ray.put(np.random.rand(4_000_000)))
    print("part", part, "is in the object store", flush=True)
print(sum(float(ray.get(each).sum()) for each in kept) > 0)
"""


def _disk_counts_as_full() -> contextlib.AbstractContextManager[Cluster]:
    """Ray's own limit of what is a full disk, so low that this disk is one."""
    return head({"RAY_local_fs_capacity_threshold": "0.05"})


def _small_checkpoints() -> contextlib.AbstractContextManager[Cluster]:
    return small_disk(_SMALL, "4m")


@contextlib.contextmanager
def _small_spill() -> Iterator[Cluster]:
    """Objects are spilled to a file system of 4 MB."""
    config = {"type": "filesystem", "params": {"directory_path": str(_SMALL)}}
    with small_disk(_SMALL, "4m", {"RAY_object_spilling_config": json.dumps(config)}) as cluster:
        yield cluster


PROGRAMS = (
    Program(
        id="m-disk-full-write",
        title="A checkpoint written to a full disk",
        primary="storage.disk-full",
        acceptable=("app.data-access",),
        why="The program writes 20 MB to a file system of 4 MB.",
        evidence="No space left on device",
        head=_small_checkpoints,
        source_code=f"""import ray

ray.init()


@ray.remote
def save(epoch):
    with open(f"{_SMALL}/epoch-{{epoch}}.ckpt", "wb") as file:
        for _ in range(20):
            file.write(b"w" * 1_000_000)


for epoch in range(3):
    print("saving epoch", epoch)
    ray.get(save.remote(epoch))
""",
    ),
    Program(
        id="m-disk-full-driver",
        title="Results written by the driver to a full disk",
        primary="storage.disk-full",
        why="The driver copies its results to a file system of 4 MB that has no room for them.",
        evidence="[Errno 28]",
        head=_small_checkpoints,
        source_code=f"""import os
import shutil

import ray

ray.init()
with open("results.bin", "wb") as file:
    file.write(os.urandom(9_000_000))
try:
    shutil.copy("results.bin", "{_SMALL}/results.bin")
except OSError as error:
    raise RuntimeError("could not publish the results") from error
""",
    ),
    Program(
        id="m-out-of-disk",
        title="Ray may not write to the disk any more, and the object store is full",
        primary="storage.disk-full",
        why="The disk is fuller than Ray's threshold, so nothing is spilled or allocated there.",
        evidence="OutOfDiskError",
        head=_disk_counts_as_full,
        source_code=FILL,
        timeout_s=240,
    ),
    Program(
        id="m-spill-disk-full",
        title="Spilling to a disk that is full",
        primary="storage.disk-full",
        acceptable=("memory.object-store-full",),
        why="Objects are spilled to a file system of 4 MB; a single one has 32 MB.",
        evidence="No space left on device",
        head=_small_spill,
        source_code=FILL,
        timeout_s=240,
    ),
    healthy(
        "m-spilling",
        "More than the object store holds is spilled, read again, and all is well",
        "Spilling to disk is what Ray is meant to do; the job succeeds.",
        FILL,
    ),
)
