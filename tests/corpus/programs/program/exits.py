"""Exit codes and signals, of the driver and of workers."""

from __future__ import annotations

from tests.corpus.program import Program
from tests.record.cluster import Cluster
from tests.record.nodes import wait

_DONE = "python -c \"print('processed 200 of 200 rows')\"; exit {code}"
_SEGFAULT = "import ctypes\n\nprint('reading index', flush=True)\nctypes.string_at(0)\n"
_TASK = """
import ctypes
import os
import signal
import sys

import ray

ray.init()


@ray.remote(max_retries=0)
def decode(number):
    print("decoding block", number)
    if number == 2:
        {end}
    return number


print(ray.get([decode.remote(number) for number in range(3)]))
"""
_ACTOR = """
import os
import signal

import ray

ray.init()


@ray.remote
class Index:
    def __init__(self):
        self.pages = list(range(10))

    def look_up(self, page):
        if page > 3:
            {end}
        return self.pages[page]


index = Index.remote()
for page in range(6):
    print("page", page, "->", ray.get(index.look_up.remote(page)))
"""


def _stop(cluster: Cluster, submission_id: str) -> None:
    wait(lambda: cluster.get(f"/api/jobs/{submission_id}").get("driver_info"), "the driver")
    cluster.stop(submission_id)


PROGRAMS: tuple[Program, ...] = (
    Program(
        id="m-exit-1-silent",
        title="Exit code 1 without a word",
        primary="unknown",
        acceptable=("app.exception",),
        why="Nothing tells why the program exits with 1.",
        entrypoint="exit 1",
    ),
    Program(
        id="m-exit-3-after-success",
        title="Exit code 3 after everything was done",
        primary="unknown",
        acceptable=("app.exception",),
        why="The log tells of no trouble; the exit code has no agreed meaning.",
        entrypoint=_DONE.format(code=3),
    ),
    Program(
        id="m-exit-2-silent",
        title="Exit code 2 after everything was done",
        primary="unknown",
        acceptable=("app.usage-error", "app.exception"),
        why="The log tells of no trouble; 2 often means wrong arguments, and nothing says so here.",
        entrypoint=_DONE.format(code=2),
    ),
    Program(
        id="m-exit-137",
        title="Exit code 137 from a shell",
        primary="memory.process-killed",
        acceptable=("unknown",),
        why="A process below the shell was killed by SIGKILL, and nothing tells by whom.",
        evidence="Killed",
        entrypoint="bash run.sh",
        files={"run.sh": "echo training; python main.py; code=$?; echo main.py ended with $code; exit $code\n"},
        source_code="import os\n\nprint('epoch 1', flush=True)\nos.kill(os.getpid(), 9)\n",
    ),
    Program(
        id="m-exit-kill-9",
        title="The driver is killed by SIGKILL",
        primary="memory.process-killed",
        acceptable=("unknown",),
        why="The driver kills itself by SIGKILL: nothing in the log tells who did it.",
        source_code="import os\n\nimport ray\n\nray.init()\nprint('epoch 1', flush=True)\nos.kill(os.getpid(), 9)\n",
    ),
    Program(
        id="m-exit-sigterm",
        title="The driver is ended by SIGTERM",
        primary="app.stopped",
        why="The driver sends SIGTERM to itself.",
        source_code=(
            "import os\nimport time\n\n"
            "print('listening on 8080', flush=True)\nos.kill(os.getpid(), 15)\ntime.sleep(9)\n"
        ),
    ),
    Program(
        id="m-exit-143",
        title="Exit code 143 from a shell",
        primary="app.stopped",
        why="A process below the shell was ended by SIGTERM.",
        evidence="Terminated",
        entrypoint="bash run.sh",
        files={"run.sh": "echo syncing; bash -c 'kill -TERM $$'; code=$?; echo ended with $code; exit $code\n"},
    ),
    Program(
        id="m-exit-sigint",
        title="The driver is interrupted by SIGINT",
        primary="app.stopped",
        why="The driver sends SIGINT to itself, as Ctrl-C does.",
        evidence="KeyboardInterrupt",
        source_code=(
            "import os\nimport time\n\nimport ray\n\n"
            "ray.init()\nprint('step 1')\nos.kill(os.getpid(), 2)\ntime.sleep(9)\n"
        ),
    ),
    Program(
        id="m-exit-stop-request",
        title="A job that somebody stops",
        primary="app.stopped",
        why="The job was stopped through Ray's API.",
        evidence="",
        source_code="import time\n\nimport ray\n\nray.init()\nprint('serving')\ntime.sleep(600)\n",
        during=_stop,
        ends=("STOPPED",),
    ),
    Program(
        id="m-exit-abort",
        title="The driver aborts",
        primary="app.native-crash",
        why="os.abort() in the driver.",
        source_code="import os\n\nprint('checking the heap', flush=True)\nos.abort()\n",
    ),
    Program(
        id="m-exit-abort-shell",
        title="A process below a shell aborts",
        primary="app.native-crash",
        why="os.abort() below bash, which says so and exits with 134.",
        evidence="Aborted",
        entrypoint="bash run.sh",
        files={"run.sh": "python main.py\nexit $?\n"},
        source_code=(
            "import os, sys\n\nprint('terminate called after throwing', file=sys.stderr, flush=True)\nos.abort()\n"
        ),
    ),
    Program(
        id="m-segfault-driver",
        title="The driver reads address 0",
        primary="app.native-crash",
        why="The driver reads address 0 through ctypes; nothing but the exit code tells.",
        source_code=_SEGFAULT,
    ),
    Program(
        id="m-segfault-driver-faulthandler",
        title="The driver reads address 0 and Python tells where",
        primary="app.native-crash",
        why="The driver reads address 0 through ctypes, with Python's fault handler on.",
        evidence="Fatal Python error: Segmentation fault",
        source_code=_SEGFAULT,
        entrypoint="python -X faulthandler main.py",
    ),
    Program(
        id="m-segfault-task",
        title="A task reads address 0",
        primary="app.native-crash",
        acceptable=("app.task-exception",),
        why="A task reads address 0 through ctypes, so its worker dies.",
        evidence="SIGSEGV",
        source_code=_TASK.format(end="ctypes.string_at(0)"),
    ),
    Program(
        id="m-abort-actor",
        title="An actor aborts",
        primary="app.native-crash",
        acceptable=("actor.died",),
        why="os.abort() in a method of an actor.",
        evidence="SIGABRT",
        source_code=_ACTOR.format(end="os.abort()"),
    ),
    Program(
        id="m-kill-9-task",
        title="A worker is killed by SIGKILL in a task",
        primary="memory.process-killed",
        acceptable=("unknown",),
        why="The worker kills itself by SIGKILL: nothing tells who did it.",
        source_code=_TASK.format(end="os.kill(os.getpid(), signal.SIGKILL)"),
    ),
    Program(
        id="m-kill-9-actor",
        title="An actor is killed by SIGKILL",
        primary="memory.process-killed",
        acceptable=("actor.died",),
        why="The actor's process kills itself by SIGKILL: nothing tells who did it.",
        source_code=_ACTOR.format(end="os.kill(os.getpid(), signal.SIGKILL)"),
    ),
    Program(
        id="m-actor-os-exit",
        title="An actor's process exits in the middle of a method",
        primary="actor.died",
        acceptable=("memory.process-killed",),
        why="os._exit(7) in a method: the process is gone and nothing tells why.",
        source_code=_ACTOR.format(end="os._exit(7)"),
    ),
    Program(
        id="m-task-sys-exit",
        title="A task that calls sys.exit",
        primary="app.task-exception",
        acceptable=("memory.process-killed", "app.exception", "unknown"),
        why="sys.exit(4) in a task ends its worker.",
        source_code=_TASK.format(end="sys.exit(4)"),
    ),
)
