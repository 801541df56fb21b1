"""The labels of the corpus: the codes of the vocabulary, ``unknown`` among them, and ``none`` for healthy programs."""

from __future__ import annotations

from tests.corpus.program import HEALTHY

_CODES = """
app.exception app.task-exception app.actor-init-failed app.import-error app.syntax-error
app.entrypoint-not-found app.usage-error app.data-access app.serialization app.native-crash
app.get-timeout app.actor-not-found app.actor-name-conflict app.stopped
env.pip-failed env.conda-failed env.container-failed env.timeout env.package-too-large
env.package-missing env.invalid env.setup-failed
memory.node-oom memory.process-killed memory.object-store-full
storage.disk-full storage.shm-too-small os.limit
object.lost object.owner-died
gpu.out-of-memory gpu.unavailable gpu.collective-timeout gpu.collective-failed gpu.hardware
node.died node.preempted
raylet.crashed
actor.died actor.owner-died actor.unavailable
gcs.unreachable gcs.state-lost gcs.storage-unreachable
cluster.not-found cluster.version-mismatch cluster.auth cluster.stale-state cluster.launch-failed
client.disconnected
network.port-conflict
ray.internal-error
scheduling.infeasible scheduling.waiting scheduling.placement-group scheduling.node-affinity
job.start-timeout job.supervisor-died job.supervisor-lost job.status-unreliable job.duplicate-id
job.supervisor-not-created
job.no-agent
serve.constructor-failed serve.health-check-failed serve.unschedulable serve.config-invalid
serve.backpressure
unknown
"""
CODES = frozenset(_CODES.split())
LABELS = CODES | {HEALTHY}
