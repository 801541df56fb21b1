"""Lines that Ray writes into the log of every driver of a cluster, and what makes one of them a certain job's. Data.

A driver prints what the autoscaler, the raylets and the GCS tell all drivers: events of the autoscaler and the raylets'
error logs (``print_worker_logs`` of ray/_private/worker.py, ``log_monitor.py``: they carry no job), and errors that are
published without a job (``listen_error_messages`` there). Errors that are published with one reach its drivers alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class OwnerRule(StrEnum):
    """What a line of this kind is held against, to tell whose it is."""

    REQUEST = "request"  # the resources in it against those that the job's tasks, actors and groups asked for
    NODE = "node"  # the node in it against those that the job was on
    KILLED = "killed"  # the node in it against those where Ray killed a worker of the job for memory
    PYTHON = "python"  # the path in it against the Python that the job wants its workers started with
    IDS = "ids"  # ids of jobs, tasks, actors and workers, and pids, in it against the job's
    CLUSTER = "cluster"  # nothing: it is about the cluster, and whom it hit is not said
    ADDRESSED = "addressed"  # nothing: Ray sends it to the drivers of one job only, so who has it is meant
    NOTICE = "notice"  # nothing: it tells of no failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Broadcast:
    """``contains``: fixed texts, one of which is in the line; ``pattern``: what must then be found in it as well.
    ``only_from_ray``: it counts as such a line only where its prefix says that a process of Ray wrote it, because a
    program can write the same of itself. ``seen``: how it is tested with two jobs.
    """

    name: str
    rule: OwnerRule
    contains: tuple[str, ...]
    pattern: str = ""
    only_from_ray: bool = False
    seen: str
    matches: tuple[str, ...]
    near_misses: tuple[str, ...]


LIVE, RECORDED, WRITTEN = "live", "recorded", "written"

BROADCASTS: tuple[Broadcast, ...] = (
    Broadcast(
        name="autoscaler-constraint",
        rule=OwnerRule.CLUSTER,
        contains=("No available node types can fulfill cluster constraint",),
        seen=WRITTEN,
        matches=(
            "(autoscaler +9s) No available node types can fulfill cluster constraint: {'CPU': 400.0}*1. Add suitable node types to this cluster to resolve this issue.",
            "No available node types can fulfill cluster constraint: {'GPU': 8.0}*2.",
        ),
        near_misses=("No available node types can fulfill resource request {'CPU': 64.0}.",),
    ),
    Broadcast(
        name="autoscaler-infeasible",
        rule=OwnerRule.REQUEST,
        contains=("No available node types can fulfill",),
        seen=LIVE,
        matches=(
            "(autoscaler +5s) Error: No available node types can fulfill resource request {'CPU': 64.0}. Add suitable node types to this cluster to resolve this issue.",
            "(autoscaler +7s) No available node types can fulfill resource requests {'CPU': 1.0, 'fpga': 2.0}*1. Add suitable node types",
            "(autoscaler +7s) No available node types can fulfill placement group requests (detail=): {'GPU': 8.0}*4. Add suitable node types",
        ),
        near_misses=("all node types can fulfill the request",),
    ),
    Broadcast(
        name="request-waits",
        rule=OwnerRule.REQUEST,
        contains=("cannot be scheduled right now",),
        pattern=r"resource request cannot be scheduled right now|cannot be scheduled right now\. It requires \{",
        seen=RECORDED,
        matches=(
            "(autoscaler +1m2s) Warning: The following resource request cannot be scheduled right now: {'CPU': 1.0}. This is likely due to all cluster resources being claimed by actors.",
            "[2026-01-02 03:04:05,678 W 9 9] (raylet) main.cc:985: The lease with ID 0100 cannot be scheduled right now. It requires {CPU: 64} for placement, however",
        ),
        near_misses=("the nightly run cannot be scheduled right now",),
    ),
    Broadcast(
        name="workers-killed",
        rule=OwnerRule.KILLED,
        contains=("Workers (tasks / actors) killed due to memory pressure (OOM)", "kill details: Memory on the node"),
        seen=LIVE,
        matches=(
            "(raylet) [2026-01-02 03:04:05,678 E 9 9] (raylet) node_manager.cc:3517: 3 Workers (tasks / actors) killed due to memory pressure (OOM), 0 Workers crashed due to other reasons at node (ID: 58a0, IP: 10.0.0.1) over the last time period.",
            "2 Workers (tasks / actors) killed due to memory pressure (OOM), 1 Workers crashed due to other reasons at node (ID: x)",
            "[2026-01-02 03:04:05,678 I 9 9] (raylet) node_manager.cc:3199: Killing 1 worker(s), kill details: Memory on the node (IP: 10.0.0.1, ID: 58a0) was 5.03GB used",
        ),
        near_misses=("3 workers were killed",),
    ),
    Broadcast(
        name="task-retried",
        rule=OwnerRule.ADDRESSED,
        contains=("so the task will be retried",),
        pattern=r"Task \S.{0,200} failed",
        seen=LIVE,
        matches=(
            "(raylet) Task load failed due to oom. There are infinite oom retries remaining, so the task will be retried. Error: 1 worker(s) were killed",
            "(raylet) Task Parser.parse failed. There are 2 retries remaining, so the task will be retried. Error: The actor died",
        ),
        near_misses=("it failed, so the task will be retried",),
    ),
    Broadcast(
        name="worker-died",
        rule=OwnerRule.ADDRESSED,
        contains=("A worker died or was killed while executing",),
        seen=RECORDED,
        matches=(
            "(raylet) A worker died or was killed while executing a task by an unexpected system error. To troubleshoot the problem, check the logs for the dead worker. Lease ID: 1e00 Worker ID: fa2f",
            "A worker died or was killed while executing task ffff.",
        ),
        near_misses=("a worker died while it was idle",),
    ),
    Broadcast(
        name="node-dead",
        rule=OwnerRule.NODE,
        contains=("The node with node id: ", "The node with client ID "),
        pattern=r"has been marked dead",
        seen=RECORDED,
        matches=(
            "(raylet) The node with node id: dfb3 and address: 127.0.0.2 and node name: 127.0.0.2 has been marked dead because the detector has missed too many heartbeats from it.",
            "WARNING worker.py:1 -- The node with client ID 5ad has been marked dead because the monitor has missed too many heartbeats from it.",
        ),
        near_misses=("The node with node id: dfb3 was added",),
    ),
    Broadcast(
        name="many-workers",
        rule=OwnerRule.NODE,
        contains=("worker processes have been started on node",),
        seen=WRITTEN,
        matches=(
            "(raylet) WARNING: 28 PYTHON worker processes have been started on node: 3738 with address: 10.0.0.9. This could be a result of using a large number of actors",
            "WARNING: 64 PYTHON worker processes have been started on node: 273a with address: 10.0.0.9.",
        ),
        near_misses=("worker processes have been started",),
    ),
    Broadcast(
        name="raylet-ended",
        rule=OwnerRule.CLUSTER,
        contains=("Raylet is terminated. Termination is unexpected",),
        seen=RECORDED,
        matches=(
            "(raylet) Raylet is terminated. Termination is unexpected. Possible reasons include: (1) SIGKILL by the user or system OOM killer",
            "Raylet is terminated. Termination is unexpected.",
        ),
        near_misses=("Raylet is terminated. Termination is expected.",),
    ),
    Broadcast(
        name="agent-ended",
        rule=OwnerRule.NODE,
        contains=(
            "The raylet exited immediately because one Ray agent failed",
            "The raylet fate shares with the agent",
            "The raylet fate-shares with the agent",
        ),
        seen=WRITTEN,
        matches=(
            "(raylet, ip=10.42.1.19) [2026-01-02 03:04:05,678 E 31 72] (raylet) agent_manager.cc:74: The raylet exited immediately because one Ray agent failed, agent_name = dashboard_agent/7.",
            "(raylet) The raylet fate shares with the agent. This can happen because",
        ),
        near_misses=("The raylet exited",),
    ),
    Broadcast(
        name="python-missing",
        rule=OwnerRule.PYTHON,
        contains=("No such file or directory", "not found", "Permission denied", "cannot execute"),
        pattern=r"^(?:/\S{1,80}/)?(?:sh|bash|env): .{0,40}/\S+: .{0,40}(?:No such file|not found|Permission denied|cannot execute)",
        only_from_ray=True,
        seen=LIVE,
        matches=(
            "(raylet) bash: line 1: /opt/none/bin/python: No such file or directory",
            "(raylet, ip=10.0.0.2) /bin/sh: 1: exec: /opt/none/bin/python: not found",
        ),
        near_misses=("bash: line 1: /opt/none/bin/python: No such file or directory",),
    ),
    Broadcast(
        name="worker-not-started",
        rule=OwnerRule.CLUSTER,
        contains=("have not registered within the timeout", "probably it crashed during start"),
        seen=LIVE,
        matches=(
            "(raylet) [2026-01-02 03:04:05,678 E 7 9] (raylet) worker_pool.cc:660: Some workers of the worker process(3191) have not registered within the timeout. The process is dead, probably it crashed during start.",
            "The process is dead, probably it crashed during start.",
        ),
        near_misses=("the worker crashed after its start",),
    ),
    Broadcast(
        name="disk-nearly-full",
        rule=OwnerRule.NODE,
        contains=("Object creation will fail if spilling is required",),
        seen=RECORDED,
        matches=(
            "(raylet) [2026-01-02 03:04:05,678 E 7 9] (raylet) file_system_monitor.cc:116: /tmp/data is over 95% full, available space: 0 GB; capacity: 4 GB. Object creation will fail if spilling is required.",
            "(raylet, ip=10.0.0.2) /tmp/ray is over 95% full, available space: 18; capacity: 49. Object creation will fail if spilling is required.",
        ),
        near_misses=("/tmp/ray is 95% full",),
    ),
    Broadcast(
        name="store-out-of-disk",
        rule=OwnerRule.NODE,
        contains=(
            "Plasma fallback allocator failed",
            "Out of disk space with fallocate error",
            "Pull of object failed due to out of disk",
        ),
        only_from_ray=True,
        seen=WRITTEN,
        matches=(
            "(raylet, ip=10.0.0.2) [2026-01-02 03:04:05,678 E 7 9] (raylet) plasma_allocator.cc:90: Plasma fallback allocator failed, likely out of disk space.",
            "(raylet) [2026-01-02 03:04:05,678 E 7 9] (raylet) dlmalloc.cc:129: Out of disk space with fallocate error: No space left on device",
        ),
        near_misses=("Out of disk space with fallocate error",),
    ),
    Broadcast(
        name="spill-failed",
        rule=OwnerRule.CLUSTER,
        contains=(
            "Failed to send object spilling request",
            "Failed to send restore spilled object request",
            "occurred while the IO worker was spilling objects",
        ),
        seen=RECORDED,
        matches=(
            "(raylet) An unexpected internal error occurred while the IO worker was spilling objects: [Errno 28] No space left on device",
            "(raylet) [2026-01-02 03:04:05,678 E 7 7] local_object_manager.cc:402: Failed to send restore spilled object request: IOError: 14",
        ),
        near_misses=("spilling objects",),
    ),
    Broadcast(
        name="autoscaler-failed",
        rule=OwnerRule.CLUSTER,
        contains=("The autoscaler failed with the following error", "Failed to launch "),
        pattern=r"The autoscaler failed with|Failed to launch (?:\d+|\{\}) .{0,40}node",
        only_from_ray=True,
        seen=WRITTEN,
        matches=(
            "(raylet) The autoscaler failed with the following error:",
            "(autoscaler +3m) Failed to launch 2 node(s) of type gpu. (RequestLimitExceeded): slow down.",
        ),
        near_misses=("Failed to launch the browser",),
    ),
    Broadcast(
        name="monitor-failed",
        rule=OwnerRule.CLUSTER,
        contains=("The dashboard on node ", "The log monitor on node "),
        pattern=r"failed with the following ?error",
        seen=WRITTEN,
        matches=(
            "(raylet) The dashboard on node head-0 failed with the following error:",
            "(raylet) The log monitor on node head-0 failed with the following error:",
        ),
        near_misses=("The dashboard on node head-0 is up",),
    ),
    Broadcast(
        name="version-of-a-worker",
        rule=OwnerRule.CLUSTER,
        contains=("Version mismatch: The cluster was started with", "version_mismatch"),
        only_from_ray=True,
        seen=WRITTEN,
        matches=(
            "(raylet) RuntimeError: Version mismatch: The cluster was started with:",
            "(raylet)  [type version_mismatch]",
        ),
        near_misses=("RuntimeError: Version mismatch: The cluster was started with:",),
    ),
    Broadcast(
        name="nodes-come-and-go",
        rule=OwnerRule.NOTICE,
        contains=("Adding ", "Removing ", "Restarting ", "Resized to ", "Tip: use `ray status`"),
        pattern=r"(?:Adding|Removing|Restarting) \d+ nodes?(?:\(s\))? of type|Resized to \d|Tip: use `ray status`",
        only_from_ray=True,
        seen=LIVE,
        matches=(
            "(autoscaler +5s) Tip: use `ray status` to view detailed cluster status. To disable these messages, set RAY_SCHEDULER_EVENTS=0.",
            "(autoscaler +2m) Restarting 1 nodes of type small (lost contact with raylet).",
        ),
        near_misses=("Adding 3 nodes of type small",),
    ),
    Broadcast(
        name="spilled",
        rule=OwnerRule.NOTICE,
        contains=("write throughput", "read throughput", "so evicting "),
        pattern=r"(?:Spilled|Restored) \d+ MiB|so evicting \d+ objects to free up",
        seen=RECORDED,
        matches=(
            "(raylet) Spilled 600 MiB, 1 objects, write throughput 418 MiB/s. Set RAY_verbose_spill_logs=0 to disable this message.",
            "(raylet, ip=10.0.0.2) Restored 4200 MiB, 7 objects, read throughput 1366 MiB/s.",
        ),
        near_misses=("the disk has a write throughput of 418 MiB/s",),
    ),
    Broadcast(
        name="ray-warns",
        rule=OwnerRule.NOTICE,
        contains=("DeprecationWarning", "FutureWarning", "is specified from an unstable API", "dashboard module"),
        only_from_ray=True,
        seen=RECORDED,
        matches=(
            "(raylet) 2026-01-02 03:04:05,678\tWARNING node.py:2244 -- The object spilling config is specified from an unstable API - system config or environment variable.",
            "(raylet) /opt/venv/lib/python3.11/site-packages/x.py:3: DeprecationWarning: old",
        ),
        near_misses=("x.py:3: DeprecationWarning: old",),
    ),
    # Whatever else a process of Ray wrote; the last row.
    Broadcast(
        name="other-line-of-ray",
        rule=OwnerRule.IDS,
        contains=("",),
        only_from_ray=True,
        seen=RECORDED,
        matches=("(raylet) ModuleNotFoundError: No module named 'ray'", "(gcs_server) Failed to create actor."),
        near_misses=("ModuleNotFoundError: No module named 'ray'", "(load pid=7) ValueError: no"),
    ),
)

# A prefix of a process of Ray: `(raylet)`, `(raylet, ip=10.0.0.2)`, `(autoscaler +5s)`.
_OF_RAY = re.compile(r"^\((?:raylet|autoscaler|scheduler|gcs_server|dashboard)\b")
_PATTERNS = {each.name: re.compile(each.pattern) for each in BROADCASTS if each.pattern}


def is_from_ray(stream: str) -> bool:
    """Whether a line with this prefix was written by a process of Ray, not by the job's own."""
    return _OF_RAY.match(stream) is not None


def find_broadcast(text: str, stream: str) -> Broadcast | None:
    """The first row that means this line, whose prefix is ``stream``; None for a line that is its writer's own."""
    from_ray = is_from_ray(stream)
    for each in BROADCASTS:
        if each.only_from_ray and not from_ray:
            continue
        if not any(part in text for part in each.contains):
            continue
        if each.name not in _PATTERNS or _PATTERNS[each.name].search(text):
            return each
    return None
