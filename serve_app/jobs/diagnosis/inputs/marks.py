"""By which lines each kind of text is known: data."""

from __future__ import annotations

import re
from dataclasses import dataclass

DRIVER_LOG, PROCESS_LOG, OUTPUT = "driver-log", "ray-process-log", "program-output"


@dataclass(frozen=True, slots=True)
class TextKind:
    """``marks``: one of these in a line is enough; ``hints``: of these, two different ones are."""

    name: str
    marks: re.Pattern[str]
    hints: tuple[re.Pattern[str], ...] = ()


def _mark(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{each})" for each in patterns))


KINDS: tuple[TextKind, ...] = (
    TextKind(
        "ray-status",
        _mark(
            r"^=+ (?:Autoscaler|Cluster) status: ",
            r"^ ?(?:Total )?Usage:\s*$",
            r"^Total Demands:\s*$",
            r"^ ?\{'[^{}]{1,300}\}(?: \* \d+)?(?: \((?:STRICT_)?(?:PACK|SPREAD)\))?: ?\d+\+ pending",
            r"^ \(no (?:resource demands|pending nodes|failures)\)",
        ),
        (
            re.compile(r"^Node status\s*$"),
            re.compile(r"^Resources\s*$"),
            re.compile(r"^Recent failures:"),
            re.compile(r"^ ?[\d.]+(?:GiB)?/[\d.]+(?:GiB)? (?:CPU|GPU|memory|object_store_memory)\b"),
            re.compile(r"^Demands:"),
            re.compile(r"^(?:Healthy|Active|Idle|Pending):\s*$"),
            re.compile(r"^ \d+ node_[0-9a-f]{20,}"),
        ),
    ),
    TextKind(
        "state-api",
        _mark(
            r"^=+ List: \d{4}-|^=+ (?:Task|Actor|Object|Tasks|Actors|Objects) Summary: ",
            r"^\s*(?:-\s+)?['\"]?(?:placement_group_id|scheduling_state|creator_job_id|func_or_class_name)['\"]?:",
            r"^\s*-\s+['\"]?(?:actor_id|task_id|node_id|worker_id)['\"]?:",
            r"^\s*\d*\s*(?:TASK_ID|ACTOR_ID|PLACEMENT_GROUP_ID|NODE_ID|WORKER_ID|OBJECT_ID|JOB_ID|SUBMISSION_ID)\s{2,}",
            r"^Stats:\s*-+|^Total: \d+\s*$",
        ),
        tuple(
            re.compile(rf"^\s*(?:-\s+)?['\"]?{name}['\"]?:")
            for name in (
                "task_id",
                "node_id",
                "worker_id",
                "state",
                "required_resources",
                "death_cause",
                "job_id",
                "error_type",
                "is_head_node",
                "exit_type",
                "attempt_number",
                "parent_task_id",
            )
        ),
    ),
    TextKind(
        "ray-job",
        _mark(
            r"^\s*Job '[^']{1,200}' (?:failed|succeeded|was stopped|submitted successfully)",
            r"^Status for job '",
            r"^\s*Status message: ",
            r"JobDetails\(",
            r"^Job submission server address:",
        ),
    ),
    TextKind(
        "serve-status",
        _mark(
            r"^\s*(?:app_status|deployment_statuses|serve_start_time_s|last_deployed_time_s):",
            r"^\s*(?:message_to_user|replica_states|target_capacity):",
            r"^\s*(?:- )?['\"]?(?:status)['\"]?: ['\"]?(?:DEPLOYING|DEPLOY_FAILED|UNHEALTHY|NOT_STARTED|UPSCALING|DOWNSCALING)\b",
        ),
        (
            re.compile(r"^applications:"),
            re.compile(r"^\s*deployments:"),
            re.compile(r"^prox(?:y|ies):"),
            re.compile(r"^\s*status: (?:HEALTHY|RUNNING|UPDATING)\b"),
        ),
    ),
    TextKind(
        "serve-config",
        _mark(
            r"^\s*(?:- )?import_path: \S", r"^\s*(?:max_ongoing_requests|max_concurrent_queries|autoscaling_config):"
        ),
    ),
    TextKind(
        "kubectl",
        _mark(
            r"^NAME\s+(?:READY|STATUS|DESIRED|TYPE|AGE|VERSION|CPU|JOB STATUS)\b",
            r"^NAMESPACE\s+NAME\s",
            r"^LAST SEEN\s+TYPE\s+REASON",
            r"^(?:  )?(?:Type|----)\s{2,}(?:Reason|------)\s{2,}(?:Age|----)",
            r"^\S{1,200}\s+\d+/\d+\s+(?:Running|Pending|Error|Completed|CrashLoopBackOff|Init:\S+|ImagePullBackOff|ErrImage\w+|"
            r"OOMKilled|ContainerCreating|Terminating|Evicted|Unknown|PodInitializing)\b",
            r"^(?:apiVersion|TextKind|kind):\s+\S*(?:ray\.io|Ray(?:Cluster|Job|Service)|Pod)\b",
            r"\b(?:kubelet|default-scheduler)(?:, \S+)?\s{2,}\S",
        ),
        (
            re.compile(r"^Name:\s{2,}"),
            re.compile(r"^Namespace:\s{2,}"),
            re.compile(r"^\s*Last State:\s"),
            re.compile(r"^\s*Reason:\s{2,}"),
            re.compile(r"^\s*Restart Count:"),
            re.compile(r"^Events:"),
            re.compile(r"^Conditions:"),
            re.compile(r"^\s*Exit Code:\s"),
        ),
    ),
    TextKind(
        "nvidia-smi",
        _mark(r"NVIDIA-SMI (?:\d|has failed)", r"^\| +GPU +(?:Name|GI)\b", r"^NVRM: Xid", r"^\|\s+Fan +Temp +Perf"),
        (
            re.compile(r"^\|.{2,40}\|\s+\d+MiB\s*/\s*\d+MiB\s*\|"),
            re.compile(r"^\|.{0,60}N/A\s+N/A\s+\d+\s+[CG]\b"),
            re.compile(r"\d+ MiB, \d+ MiB"),
        ),
    ),
    TextKind(
        "slurm",
        _mark(
            r"^slurmstepd(?:-\S{1,60})?: ",
            r"^srun: ",
            r"^sbatch: ",
            r"^salloc: ",
            r"^\s*JobID\s+(?:JobName|Partition|State)",
            r"^\s*JOBID\s+PARTITION",
            r"^JobId=\d+ JobName=",
            r"^slurm_load_jobs error",
        ),
        (
            re.compile(r"\bOUT_OF_ME(?:MORY|\+)"),
            re.compile(r"^\d+(?:\.(?:batch|extern|\d+))?\s.{0,120}\b\d+:\d+\s*$"),
            re.compile(r"\bNODE_FAIL\b"),
        ),
    ),
    TextKind(
        "notebook",
        _mark(
            r"^(?:Cell )?In ?\[\d{0,5}\](?:, line \d+|:)",
            r"^Input In ?\[",
            r"^<ipython-input-\d",
            r"^-{4,6}> ?\d+ ",
            r"^\s*\"cell_type\":",
            r"^\s*\"output_type\": \"(?:error|stream)\"",
            r"^File (?:~|/|[A-Z]:)\S{1,300}:\d+, in ",
            r"^[A-Z]\w{1,80}(?:Error|Exception)\s{8,}Traceback \(most recent call last\)",
        ),
    ),
    TextKind(
        "container",
        _mark(
            r"^Error response from daemon: ",
            r"^docker: ",
            r"^CONTAINER ID\s+IMAGE",
            r"\bOCI runtime (?:create|exec) failed",
            r"^podman: |^Error: .{0,80}podman",
            r"^\w{3} \d+ \d\d:\d\d:\d\d \S+ (?:dockerd|containerd|kubelet)\[",
            r"\"OOMKilled\":|^\s*\"ExitCode\": \d+",
            r"containerd\S{0,80}: failed",
        ),
    ),
    TextKind(
        PROCESS_LOG,
        _mark(
            r"^\[\d{4}-\d\d-\d\d [\d:,.]+ [DIWEFC] \d+ \d+\] (?:\(\w|\w+\.cc:)",
            r"^[IWEF]\d{4} [\d:.]+\s+\d+ \S+\.(?:cc|cpp):\d+\]",
        ),
    ),
    TextKind(
        DRIVER_LOG,
        _mark(
            r"Traceback \(most recent call last\)",
            r"\(\w[^()\n]{0,200}\bpid=\d",
            r"^\((?:raylet|gcs_server|autoscaler)",
            r"\bray::\w",
            r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+[\t ](?:INFO|WARNING|ERROR|DEBUG) \w[\w.]*\.py:\d+ -- ",
            r"^Running entrypoint for job",
            r"ray\.exceptions\.",
            r"^\s*File \"[^\"]{1,300}\", line \d+, in ",
            r"^(?:\w+\.){0,6}[A-Z]\w{1,60}(?:Error|Exception): ",
            r"^== Status ==",
            r"^Failure # \d",
            r"^(?:INFO|WARNING|ERROR) \d\d-\d\d \d\d:\d\d:\d\d ",
            r"^:(?:job_id|actor_name|task_name):",
        ),
    ),
)
PAGE = re.compile(r"\s*(?:<!doctype html|<html\b|<\?xml )", re.IGNORECASE)
CODE = re.compile(
    r"\s*(?:import \w[\w.]*(?: as \w+)?$|from \w[\w.]* import |def \w+\(.*\).*:$|class \w+.*[:{]$|async def |@\w[\w.]*|"
    r"(?:if|for|while|with|elif|else|try|except|return)\b.*[:)]?$|(?:const|let|var) \w+ ?=|function \w*\(|#include |package \w|"
    r"(?:public|private|static) .*[{;]$|\w[\w.\[\]]* ?= ?\S.*[;)\]}'\"]?$|[)}\]]+[,;]?$|ray\.(?:init|get|remote)\()"
)
SURE_CODE = re.compile(
    r"\s*(?:import \w[\w.]*(?: as \w+)?$|from \w[\w.]* import \w|(?:async )?def \w+\(|class \w+.*[:{]$|#include <|@ray\.remote|function \w*\(|const \w+ ?=)"
)
LOG_LIKE = re.compile(
    r"\d\d:\d\d|\d{4}-\d\d-\d\d|\b(?:INFO|WARN(?:ING)?|ERROR|DEBUG|FATAL|CRITICAL|error|warning|failed|exit code|loss|epoch|step|iter)\b|"
    r"\d+ ?%|\d+/\d+|[=:] ?-?\d|\b\w+=\S|^\s*[$>#%] \S|\.{3}\s*$|^\[\w"
)
SENTENCE = re.compile(r"(?:\b[A-Za-z']{1,20}[,;]? ){7,}")
