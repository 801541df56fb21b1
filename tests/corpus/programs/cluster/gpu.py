"""GPUs that are not there, as far as that can be shown where there are none."""

from __future__ import annotations

from tests.corpus.program import Program

PROGRAMS = (
    Program(
        id="m-nvidia-smi-missing",
        title="A program that asks nvidia-smi for its GPUs, and there is none",
        primary="gpu.unavailable",
        acceptable=("app.exception", "app.data-access", "app.entrypoint-not-found"),
        why="The machine has no GPU and no driver, so that there is no nvidia-smi.",
        evidence="No such file or directory: 'nvidia-smi'",
        source_code="""import subprocess

import ray

ray.init()
memory = subprocess.run(
    ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"],
    capture_output=True, text=True, check=True,
).stdout
print("GPU memory:", memory)
""",
    ),
    Program(
        id="m-nvml-missing",
        title="A task that reads its GPU's memory with NVML, and there is no driver",
        primary="gpu.unavailable",
        acceptable=("app.task-exception",),
        why="The machine has no NVIDIA driver, so that NVML finds no library.",
        evidence="NVML",
        runtime_env={"pip": ["nvidia-ml-py"]},
        source_code="""import pynvml
import ray

ray.init()


@ray.remote
def free_memory(index):
    pynvml.nvmlInit()
    return pynvml.nvmlDeviceGetMemoryInfo(pynvml.nvmlDeviceGetHandleByIndex(index)).free


print(ray.get(free_memory.remote(0)))
""",
        timeout_s=200,
    ),
    Program(
        id="m-numba-no-cuda",
        title="A program that runs a CUDA kernel with numba, and there is no driver",
        primary="gpu.unavailable",
        acceptable=("app.exception",),
        why="The machine has no NVIDIA driver; numba finds no CUDA library.",
        evidence="CUDA",
        runtime_env={"pip": ["numba"]},
        source_code="""import numpy as np
import ray
from numba import cuda

ray.init()


@cuda.jit
def double(values):
    index = cuda.grid(1)
    if index < values.size:
        values[index] *= 2


double[1, 32](np.ones(32))
""",
        timeout_s=240,
    ),
)
