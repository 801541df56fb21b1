"""The layer of Ray that runs submissions: supervisors, agents, ids."""

from __future__ import annotations

from serve_app.jobs.diagnosis.catalogue.catalogue import ClueRole, Signature
from serve_app.jobs.diagnosis.models import Certainty

SIGNATURES: tuple[Signature, ...] = (
    Signature(
        name="supervisor-start-timeout",
        code="job.start-timeout",
        contains=("Job supervisor actor failed to start within",),
        role=ClueRole.CAUSE,
        matches=(
            "Job supervisor actor failed to start within 900 seconds. This may be because the job entrypoint's specified resources",
            "Job supervisor actor failed to start within 5.0 seconds.",
        ),
        near_misses=("Job supervisor actor started",),
    ),
    Signature(
        name="supervisor-unschedulable",
        code="scheduling.node-affinity",
        contains=("Job supervisor actor could not be scheduled",),
        unless="worker startup",
        role=ClueRole.WRAPPER,
        certainty=Certainty.LIKELY,
        matches=(
            "Job supervisor actor could not be scheduled: The actor is not schedulable: x",
            "Job supervisor actor could not be scheduled: ",
        ),
        near_misses=(
            "Job supervisor actor was scheduled",
            "Job supervisor actor could not be scheduled: The actor is not schedulable: Could not create the actor because worker startup repeatedly failed.",
        ),
    ),
    Signature(
        name="supervisor-died",
        code="job.supervisor-died",
        contains=("Job supervisor actor died",),
        role=ClueRole.WRAPPER,
        certainty=Certainty.LIKELY,
        matches=(
            "Job supervisor actor died: The actor died unexpectedly before finishing this task.",
            "Job supervisor actor died: x",
        ),
        near_misses=("the supervisor lives",),
    ),
    Signature(
        name="supervisor-lost",
        code="job.supervisor-lost",
        contains=(
            "failed to get job supervisor",
            "Failed to start supervisor actor",
            "job supervisor could not be found",
        ),
        role=ClueRole.WRAPPER,
        certainty=Certainty.LIKELY,
        matches=(
            "Unexpected error occurred: failed to get job supervisor.",
            "Failed to start supervisor actor raysubmit_1: 'x'. Full traceback:",
        ),
        near_misses=("got the job supervisor",),
    ),
    Signature(
        name="monitor-failed",
        code="job.status-unreliable",
        contains=("Unexpected error occurred: ",),
        pattern=r"Unexpected error occurred: .{0,300}(?:CANCELLED|UNAVAILABLE|[Dd]eadline [Ee]xceeded|DEADLINE_EXCEEDED|RpcError|rpc_code|timed out)",
        role=ClueRole.CAUSE,
        certainty=Certainty.LIKELY,
        matches=(
            "Unexpected error occurred: failed to connect to all addresses; UNAVAILABLE",
            "Unexpected error occurred: <RpcError status = CANCELLED>",
        ),
        near_misses=("Unexpected error occurred: failed to get job supervisor.",),
    ),
    Signature(
        name="duplicate-id",
        code="job.duplicate-id",
        contains=("already exists. Please use a different submission_id",),
        matches=(
            "RuntimeError: Job with submission_id nightly already exists. Please use a different submission_id.",
            "ValueError: Job with submission_id a already exists. Please use a different submission_id.",
        ),
        near_misses=("the file already exists",),
    ),
    Signature(
        name="no-agent",
        code="job.no-agent",
        contains=("No available agent to submit job",),
        matches=(
            "RuntimeError: No available agent to submit job, please try again later.",
            "500: No available agent to submit job, please try again later.",
        ),
        near_misses=("an agent is available",),
    ),
    Signature(
        name="setup-hook",
        code="env.setup-failed",
        contains=("the setup hook method", "worker_process_setup_hook", "setup hook failed"),
        pattern=r"(?:[Ff]ailed|Error|rror:).{0,160}setup[_ ]hook",
        advice=(
            "Make the module of `worker_process_setup_hook` importable on every node: put it into `working_dir` or `py_modules`.",
            "Or pass the hook as a function that is defined in the script itself.",
        ),
        matches=(
            "Worker exit type: SYSTEM_ERROR Worker exit detail: Failed to deserialize the setup hook method. No module named 'prepare'",
            "RuntimeError: Failed to import the worker_process_setup_hook prepare.run",
        ),
        near_misses=("the setup hook method was run",),
    ),
    Signature(
        name="jobs-api-missing",
        code="cluster.version-mismatch",
        contains=("Jobs API is not supported on the Ray cluster", "Client Ray installation incompatible with server"),
        matches=(
            "RuntimeError: Jobs API is not supported on the Ray cluster. Please ensure the cluster is running Ray 1.9 or higher.",
            "Client Ray installation incompatible with server: client is 2021-05, server is 2022-02",
        ),
        near_misses=("the Jobs API is supported",),
    ),
    Signature(
        name="agent-not-reached",
        code="job.no-agent",
        contains=("in submit_job_internal", "/modules/job/job_head.py"),
        pattern=r"job_head\.py\S?, line \d{1,6}, in submit_job_internal",
        role=ClueRole.WRAPPER,
        certainty=Certainty.LIKELY,
        matches=(
            '  File "/opt/x/ray/dashboard/modules/job/job_head.py", line 139, in submit_job_internal',
            'File "/y/ray/dashboard/modules/job/job_head.py", line 80, in submit_job_internal',
        ),
        near_misses=('File "/y/ray/dashboard/modules/job/job_head.py", line 80, in get_job_info',),
    ),
)
