"""The head, its GCS, addresses, versions, tokens, clients and ports."""

from __future__ import annotations

from serve_app.jobs.diagnosis.models import Certainty
from serve_app.jobs.diagnosis.signature import Role, Signature

SIGNATURES: tuple[Signature, ...] = (
    Signature(
        name="gcs-unreachable",
        code="gcs.unreachable",
        contains=(
            "Unable to connect to GCS",
            "Failed to connect to GCS",
            "GCS may have been killed",
            "Could not read '",
            "GCS server is dead",
            "Failed to get the system config from raylet because it is dead",
            "Disconnected from GCS",
            "GCS client failed",
            "Failed to connect to GCS at address",
            "GcsRpcClient",
        ),
        pattern=r"[Uu]nable to connect to GCS|Failed to connect to GCS|GCS may have been killed|Could not read '\S{1,80}' from GCS|GCS server is dead|config from raylet because it is dead|gcs_rpc_client\S{0,20} .{0,20}(?:[Ff]ailed|[Tt]imed? ?out)|Disconnected from GCS",
        unless=r"\.(?:h|cc):\d{1,5}: Failed to (?:connect to GCS at|get cluster)|Last connection error",
        certainty=Certainty.LIKELY,
        matches=(
            "RuntimeError: Failed to connect to GCS within 60 seconds.",
            "RuntimeError: Unable to connect to GCS at 10.0.0.1:6379.",
        ),
        near_misses=("connected to GCS",),
    ),
    Signature(
        name="gcs-not-yet",
        code="gcs.unreachable",
        contains=(
            "Failed to connect to GCS at address",
            "Failed to get cluster ID from GCS",
            "GCS has been unavailable for more than",
        ),
        pattern=r"\.(?:h|cc):\d{1,5}: (?:Failed to|GCS has)",
        role=Role.WARNING,
        certainty=Certainty.LIKELY,
        matches=(
            "[2026-01-02 03:04:05,0 W 7 7] rpc_client.h:153: Failed to connect to GCS at address 10.0.0.1:6379 within 5 seconds.",
            "[2026-01-02 03:04:05,0 W 7 7] gcs_client.cc:210: Failed to get cluster ID from GCS server: TimedOut: Timed out while waiting",
        ),
        near_misses=("RuntimeError: Failed to connect to GCS at address 10.0.0.1:6379",),
    ),
    Signature(
        name="gcs-state-lost",
        code="gcs.state-lost",
        contains=(
            "GCS consider this node to be dead",
            "GCS is not backed by a DB and restarted",
            "Wrong cluster ID token in request",
            "cluster ID mismatch",
            "but the GCS has restarted",
        ),
        matches=(
            "GCS consider this node to be dead. This may happen when GCS is not backed by a DB and restarted",
            "Wrong cluster ID token in request! Expected: a, but got: b",
        ),
        near_misses=("the cluster ID is a",),
    ),
    Signature(
        name="no-ray-instance",
        code="cluster.not-found",
        contains=(
            "Could not find any running Ray instance",
            "Found multiple active Ray instances",
            "Failed to connect to Ray cluster at",
            "Failed to connect to the default Ray cluster address",
            "Failed to connect to Ray at address",
            "ray client connection timeout",
            "Ray Client connection timed out",
            "Ray has not been started yet",
        ),
        matches=(
            "ConnectionError: Could not find any running Ray instance. Please specify the one to connect to",
            "ConnectionError: Failed to connect to Ray at address: http://127.0.0.1:8265.",
        ),
        near_misses=("found a running Ray instance",),
    ),
    Signature(
        name="version-mismatch",
        code="cluster.version-mismatch",
        contains=(
            "Version mismatch: The cluster was started with",
            "Ray version mismatch",
            "Python version mismatch",
            "Changing the ray version",
            "Ray and Python versions must match",
            "Version mismatch",
        ),
        pattern=r"Version mismatch: The|Ray version mismatch|Python version mismatch|versions must match|Python minor versions differ",
        unless=r"WARNING|warn",
        matches=(
            "RuntimeError: Version mismatch: The cluster was started with:",
            "RuntimeError: Ray version mismatch: cluster has Ray version 2.60.0, this process has 2.59.0",
        ),
        near_misses=("the version matches",),
    ),
    Signature(
        name="auth",
        code="cluster.auth",
        contains=(
            "Token authentication is enabled but no authentication token",
            "authentication token is invalid",
            "InvalidAuthToken",
            "Authentication token is missing",
            "AuthenticationError: ",
            "RAY_AUTH_TOKEN",
            "Unauthorized: Invalid",
        ),
        pattern=r"no authentication token|token is invalid|InvalidAuthToken|token is missing|ray\.exceptions\.AuthenticationError",
        matches=(
            "ray.exceptions.AuthenticationError: Token authentication is enabled but no authentication token was found",
            "InvalidAuthToken: Authentication token is missing or incorrect",
        ),
        near_misses=("RAY_AUTH_TOKEN is read",),
    ),
    Signature(
        name="client-lost",
        code="client.disconnected",
        contains=(
            "Failed to reconnect within the reconnection grace period",
            "Failed to reconnect the data channel",
            "Ray client has already been disconnected",
            "Log channel is reconnecting",
            "Client is shutting down",
            "Proxy failed to Connect to backend",
            "SpecificServer startup failed",
            "ray client has been disconnected",
        ),
        pattern=r"Failed to reconnect|already been disconnected|Client is shutting down|Proxy failed to Connect|SpecificServer startup failed|client has been disconnected",
        matches=(
            "ConnectionError: Failed to reconnect within the reconnection grace period (30s)",
            "WARNING dataclient.py:410 -- Failed to reconnect the data channel",
        ),
        near_misses=("Log channel is reconnecting.",),
    ),
    Signature(
        name="port-in-use",
        code="network.port-conflict",
        contains=(
            "ddress already in use",
            "is already running at",
            "that is used by other components",
            "port already in use",
            "Failed to bind to address",
            "only one usage of each socket address",
            "Errno 98",
            "error while attempting to bind on address",
            "Port conflicts",
        ),
        pattern=r"[Aa]ddress already in use|is trying to start at \S+ but is already running|used by other components|port already in use|Failed to bind|only one usage of each|Errno 98|attempting to bind on address",
        unless=r"(?i)trying (?:the )?(?:next|another)|retrying|using port",
        matches=(
            "OSError: [Errno 98] Address already in use",
            "ConnectionError: Ray is trying to start at 127.0.0.1:6379, but is already running at 127.0.0.1:6379.",
        ),
        near_misses=("Address already in use, trying the next port",),
    ),
    Signature(
        name="ray-check",
        code="ray.internal-error",
        contains=(
            "An unexpected system state has occurred. You have likely discovered a bug in Ray",
            "Check failed: ",
            "An unexpected internal error occurred",
        ),
        pattern=r"likely discovered a bug in Ray|\[[^\]]{1,60} [CF] \d+ \d+\].{0,160}Check failed: |An unexpected internal error occurred",
        matches=(
            "[2026-01-02 03:04:05,6 C 7 7] core_worker.cc:9:  Check failed: x != nullptr",
            "An unexpected system state has occurred. You have likely discovered a bug in Ray.",
        ),
        near_misses=("the unit test says: Check failed: a",),
    ),
    Signature(
        name="actor-registration-timeout",
        code="gcs.unreachable",
        contains=("There was timeout in registering an actor",),
        certainty=Certainty.LIKELY,
        role=Role.CAUSE,
        matches=(
            "There was timeout in registering an actor. It is probably because GCS server is dead or there's a high load there.",
            "TimeoutError: There was timeout in registering an actor.",
        ),
        near_misses=("the actor was registered",),
    ),
)
