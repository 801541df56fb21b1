"""Starting a cluster and its jobs: the store of the GCS, what an earlier cluster left, nodes and supervisors not made."""

from __future__ import annotations

from serve_app.jobs.diagnosis.catalogue.catalogue import ClueRole, Signature
from serve_app.jobs.diagnosis.models import Certainty

SIGNATURES: tuple[Signature, ...] = (
    Signature(
        name="gcs-store-refuses",
        code="gcs.storage-unreachable",
        contains=(
            "RedisError: ",
            "The Redis cluster is not healthy",
            "WRONGPASS invalid",
            "NOAUTH Authentication required",
            "primary node from Redis sentinel",
            "redis_context.cc",
            "redis_client.cc",
            "redis_store_client.cc",
            "AuthenticateRedis",
            "MISCONF Redis",
            "OOM command not allowed when used memory",
            "READONLY You can't write against a read only replica",
            "CLUSTERDOWN",
            "Redis is full",
        ),
        pattern=r"RedisError: |Redis cluster is not healthy|WRONGPASS invalid|NOAUTH Auth|from Redis sentinel|\(gcs_server\) redis_\w{1,40}\.cc:\d{1,5}: .{0,200}(?:[Ff]ail|[Cc]ould not|Didn't get reply|[Tt]imed out|not OK)|AuthenticateRedis|MISCONF Redis|OOM command not allowed|READONLY You can't|CLUSTERDOWN",
        matches=(
            "[2024-01-02 03:04:05,678 E 24 24] (gcs_server) redis_context.cc:368: Failed to connect to Redis due to: RedisError: Could not establish connection to Redis cache:6379 (context.err = 1).. Will retry in 100ms.",
            "WRONGPASS invalid username-password pair or user is disabled.",
            "[2024-01-02 03:04:05,678 W 27 27] (gcs_server) redis_client.cc:69: Didn't get reply for HINCRBY",
        ),
        near_misses=(
            "[2024-01-02 03:04:05,678 I 24 24] (gcs_server) redis_context.cc:500: Connected to Redis",
            "redis is well",
        ),
    ),
    Signature(
        name="session-not-the-stored",
        code="cluster.stale-state",
        contains=("does not match persisted value",),
        matches=(
            "AssertionError: Session name session_2024-01-02_03-04-05_678_9 does not match persisted value b'session_2023-12-31_01-02-03_456_7'.",
            "Session name session_a does not match persisted value session_b. Perhaps there was an error connecting to Redis.",
        ),
        near_misses=("the session name matches the persisted value",),
    ),
    Signature(
        name="session-of-before",
        code="cluster.stale-state",
        contains=(
            "does not match persisted value",
            "Session name ",
            "session name ",
            "Found multiple active Ray instances",
            "does not match the session",
            "Some Ray processes are still running",
            "Stale file lock",
            "ray_node_ip_address.json.lock",
            "node_ip_address.json.lock",
            "ports_by_node.json.lock",
        ),
        pattern=r"[Ss]ession name .{0,200}does not match|does not match (?:persisted value|the session)|Found multiple active Ray instances|Could not terminate `?.{0,80}still running|\.lock.{0,120}(?:[Tt]imed? ?out|could not be acquired|Permission denied)|(?:Timeout|PermissionError).{0,120}(?:ip_address|ports_by_node)\.json\.lock",
        certainty=Certainty.LIKELY,
        matches=(
            "AssertionError: Session name session_2024-01-02_03-04-05_678_9 does not match persisted value b'session_2023-12-31_01-02-03_456_7'. Perhaps there was an error connecting to Redis.",
            "PermissionError: [Errno 13] Permission denied: '/tmp/ray/session_2024/node_ip_address.json.lock'",
        ),
        near_misses=("Session name session_2024-01-02 was made", "Ray is already running well"),
    ),
    Signature(
        name="supervisor-not-made",
        code="job.supervisor-not-created",
        contains=(
            "Failed to start Job Supervisor actor",
            "Failed to schedule supervisor actor",
            "Failed to start supervisor actor",
            "Failed to create job supervisor",
        ),
        pattern=r"(?:Failed to (?:start|schedule|create)) (?:the )?(?:[Jj]ob )?[Ss]upervisor(?: actor)?",
        unless=r"is already taken",
        role=ClueRole.WRAPPER,
        certainty=Certainty.LIKELY,
        matches=(
            "Failed to start Job Supervisor actor: Failed to create actor. You set the async flag, but the actor does not have any coroutine functions..",
            "Failed to schedule supervisor actor: nightly-7 because of SchedulingCancelled",
        ),
        near_misses=(
            "Failed to start Job Supervisor actor: The name _ray_internal_job_actor_a (namespace=SUPERVISOR_ACTOR_RAY_NAMESPACE) is already taken.",
            "the job supervisor was started",
        ),
    ),
    Signature(
        name="supervisor-cancelled",
        code="job.supervisor-not-created",
        contains=("Actor creation cancelled", "SchedulingCancelled"),
        pattern=r"SchedulingCancelled.{0,400}(?:JobSupervisor|_ray_internal_job_actor_)|(?:JobSupervisor|_ray_internal_job_actor_).{0,400}SchedulingCancelled",
        matches=(
            "task_manager.cc:507: Task failed: SchedulingCancelled: Actor creation cancelled.: Type=ACTOR_CREATION_TASK, function_descriptor={class_name=JobSupervisor, function_name=__init__}",
            "task_manager.cc:800: Task failed: SchedulingCancelled: Actor creation cancelled.: task_name=_ray_internal_job_actor_nightly-7:JobSupervisor.__init__",
        ),
        near_misses=(
            "Task failed: SchedulingCancelled: Actor creation cancelled.: function_descriptor={class_name=Tokenizer}",
        ),
    ),
    Signature(
        name="supervisor-name-taken",
        code="job.duplicate-id",
        contains=("The name _ray_internal_job_actor_",),
        pattern=r"The name _ray_internal_job_actor_\S{1,200} .{0,200}is already taken",
        matches=(
            "Failed to start Job Supervisor actor: The name _ray_internal_job_actor_a (namespace=SUPERVISOR_ACTOR_RAY_NAMESPACE) is already taken. Please use a different name",
            "ValueError: The name _ray_internal_job_actor_b (namespace=SUPERVISOR_ACTOR_RAY_NAMESPACE) is already taken.",
        ),
        near_misses=("The name _ray_internal_job_actor_a is free",),
    ),
    Signature(
        name="supervisor-itself-died",
        code="job.supervisor-died",
        contains=("class_name: JobSupervisor",),
        role=ClueRole.WRAPPER,
        certainty=Certainty.LIKELY,
        matches=(
            "\tclass_name: JobSupervisor",
            "The actor died unexpectedly before finishing this task.5	class_name: JobSupervisor6",
        ),
        near_misses=("class_name: Supervisor",),
    ),
    Signature(
        name="supervisor-assertion",
        code="ray.internal-error",
        contains=("Run should only be called once", "assert curr_status == JobStatus.PENDING"),
        pattern=r"^AssertionError: Run should only be called once",
        certainty=Certainty.LIKELY,
        matches=("AssertionError: Run should only be called once.", "AssertionError: Run should only be called once"),
        near_misses=("Run should only be called once a day",),
    ),
    Signature(
        name="raylet-cannot-reach-redis",
        code="gcs.unreachable",
        contains=(
            "Could not establish connection to redis",
            "Could not connect to Redis at",
            "Failed to connect to the redis server",
            "Redis failed to start",
            "Couldn't start Redis",
            "Expected the Redis server",
        ),
        pattern=r"(?:Could not establish connection to redis|Could not connect to Redis at) \S{1,120}:\d|Failed to connect to the redis server|Couldn't start Redis|Redis failed to start",
        unless=r"retrying",
        certainty=Certainty.LIKELY,
        matches=(
            "F0114 18:12:17.869905 324126 redis_context.cc:215] Could not establish connection to redis 10.0.0.1:39902 (context.err = 1)",
            "Could not connect to Redis at 127.0.0.1:6379: Connection refused",
        ),
        near_misses=(
            "2020-04-16 18:45:59,882 INFO services.py:563 -- Failed to connect to the redis server, retrying.",
        ),
    ),
    Signature(
        name="updater-gave-up",
        code="cluster.launch-failed",
        contains=(
            "NodeLaunchException",
            "update-failed",
            "Error updating",
            "Unable to SSH to node",
            "SSH command failed",
            "Setup command `",
            "Failed to launch",
            "Failed to create node",
            "ead node fetch timed out",
            "Failed to setup head node",
            "Failed to set up head node",
        ),
        pattern=r"Failed to set ?up head node|[Ff]ailed to (?:launch|create) (?:\d{1,6} )?node|NodeLaunchException|[Ss]tatus: ?update-failed|, update-failed$|Error updating .{0,80}(?:SSH|node|[Ee]xit)|NodeUpdater: .{0,60}Error updating|Unable to SSH to node|Setup command `.{1,300}failed|SSH command failed\.?['\"}]{0,2}$|ead node fetch timed out",
        unless=r"retrying",
        role=ClueRole.SYMPTOM,
        certainty=Certainty.LIKELY,
        stands=True,
        matches=(
            "2023-01-02 03:04:05,678\tERR updater.py:158 -- New status: update-failed",
            "ray.autoscaler._private.node_launcher.NodeLaunchException: Node Launch Exception (Limit): no more",
            "NodeUpdater: Error updating Unable to SSH to nodeSee (console) for remote logs.",
            "NodeUpdater: Error updating Command '['ssh', '-i', '/a/key.pem', 'ubuntu@10.0.0.9', 'mkdir -p ~']' returned non-zero exit status 255.",
        ),
        near_misses=(
            "SSH still not available (SSH command failed.), retrying in 5 seconds.",
            "Launched 2 node(s) of type gpu.",
        ),
    ),
)
