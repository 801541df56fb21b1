"""No cluster at the address: what drivers and commands say where no Ray is."""

from __future__ import annotations

from tests.corpus.program import Program
from tests.corpus.scenes import command, no_cluster, python, ray

# Nothing listens there on any machine of ours.
CLOSED = 9
# Ray tries for a quarter of an hour otherwise; what it says is the same.
FEW = {"RAY_NUM_REDIS_GET_RETRIES": "2"}

PROGRAMS = (
    Program(
        id="m-submit-no-cluster",
        title="ray job submit to an address where nothing listens",
        primary="cluster.not-found",
        acceptable=("gcs.unreachable",),
        why="Nothing listens at the address that the job was submitted to.",
        evidence="address",
        head=no_cluster,
        ends=(None,),
        play=command(
            lambda cluster: ray("job", "submit", f"--address={cluster.api.base_url}", "--", "python", "main.py")
        ),
    ),
    Program(
        id="m-no-cluster-address",
        title="A driver that is told an address where no GCS is",
        primary="cluster.not-found",
        acceptable=("gcs.unreachable",),
        why="Nothing listens at the address that the driver connects to.",
        evidence="ConnectionError",
        head=no_cluster,
        ends=(None,),
        play=command(lambda cluster: python(cluster, "main.py"), FEW),
        source_code=f"import ray\n\nray.init(address='127.0.0.1:{CLOSED}')\n",
    ),
    Program(
        id="m-no-cluster-name",
        title="A driver that is told a host that does not exist",
        primary="cluster.not-found",
        acceptable=("gcs.unreachable",),
        why="The host name in the address does not exist.",
        evidence="Failed to connect",
        head=no_cluster,
        ends=(None,),
        play=command(lambda cluster: python(cluster, "main.py"), FEW),
        source_code="import ray\n\nray.init(address='ray-head.invalid:6379')\n",
    ),
    Program(
        id="m-client-closed-port",
        title="Ray Client to a port where nothing listens",
        primary="cluster.not-found",
        acceptable=("client.disconnected", "gcs.unreachable"),
        why="Nothing listens at the port of the ray:// address.",
        evidence="ConnectionError",
        head=no_cluster,
        ends=(None,),
        play=command(lambda cluster: python(cluster, "main.py")),
        source_code=f"import ray\n\nray.init('ray://127.0.0.1:{CLOSED}')\n",
    ),
)
