"""The object store, its disk, and references."""

from __future__ import annotations

from serve_app.jobs.diagnosis.catalogue.catalogue import ClueRole, Signature
from serve_app.jobs.diagnosis.models import Certainty

SIGNATURES: tuple[Signature, ...] = (
    Signature(
        name="object-store-full",
        code="memory.object-store-full",
        contains=(
            "ObjectStoreFullError",
            "The local object store is full of objects that are still in scope",
            "PlasmaStoreFull",
            "Failed to put object",
            "object store is full",
        ),
        pattern=r"ObjectStoreFullError|object store is full of objects|PlasmaStoreFull|Failed to put object \S+ in object store because it is full",
        unless=r"local disk|disk's utilization",
        matches=(
            "ray.exceptions.ObjectStoreFullError: Failed to put object ffff in object store because it is full.",
            "The local object store is full of objects that are still in scope and cannot be evicted.",
        ),
        near_misses=("the object store is 80 % full",),
    ),
    Signature(
        name="out-of-disk",
        code="storage.disk-full",
        contains=(
            "[Errno 27] File too large",
            "OutOfDiskError",
            "local disk's utilization is over capacity",
            "[Errno 28] No space left on device",
            "No space left on device",
            "ENOSPC",
            "database or disk is full",
            "[Errno 122]",
            "The node was low on resource: ephemeral-storage",
            "DiskPressure",
            "Plasma fallback allocator failed",
            "Disk quota exceeded",
        ),
        pattern=r"Errno 27\] File too large|Plasma fallback allocator failed|low on resource: ephemeral-storage|(?:^|\s)DiskPressure {1,30}True|condition: \[DiskPressure\]|Disk quota exceeded|OutOfDiskError: |disk's utilization is over|No space left on device|\bENOSPC\b|disk is full|Errno 122",
        matches=(
            "ray.exceptions.OutOfDiskError: Local disk is full",
            "OSError: [Errno 28] No space left on device: '/tmp/x'",
        ),
        near_misses=("there is space left on the device",),
    ),
    Signature(
        name="disk-nearly-full",
        code="storage.disk-full",
        contains=("Object creation will fail if spilling is required",),
        role=ClueRole.WARNING,
        certainty=Certainty.POSSIBLE,
        matches=(
            "file_system_monitor.cc:77: /tmp/ray/session_x is over 95% full, available space: 0; capacity: 1000000. Object creation will fail if spilling is required.",
            "/tmp/ray is over 95% full, available space: 2 GB. Object creation will fail if spilling is required.",
        ),
        near_misses=("object creation is fine",),
    ),
    Signature(
        name="object-unreconstructable",
        code="object.lost",
        contains=("[OBJECT_UNRECONSTRUCTABLE_",),
        advice=(
            "Do what the quoted line says: most often `max_retries` above 0 for the task that makes the object.",
            "Write results that are dear to storage, instead of keeping them only as objects.",
        ),
        matches=(
            "[OBJECT_UNRECONSTRUCTABLE_RETRIES_DISABLED] The object cannot be reconstructed because the task was created with max_retries=0.",
            "(f pid=3) [OBJECT_UNRECONSTRUCTABLE_PUT] The object cannot be reconstructed because it was created by ray.put().",
        ),
        near_misses=("OBJECT_UNRECONSTRUCTABLE is a name of an error type",),
    ),
    Signature(
        name="object-lost",
        code="object.lost",
        contains=(
            "ObjectLostError",
            "ObjectReconstructionFailed",
            "OBJECT_UNRECONSTRUCTABLE",
            "have been lost due to node failure",
            "ObjectFetchTimedOutError",
            "no locations were found for the object",
            "ReferenceCountingAssertionError",
            "ObjectFreedError",
            "Object is lost",
            "UnreconstructableError",
            "is lost due to node failure",
            "and cannot be reconstructed",
        ),
        pattern=r"UnreconstructableError: |is lost due to node failure|cannot be reconstructed\b|Object(?:Lost|Freed|FetchTimedOut)Error: |ObjectReconstructionFailed\w{0,40}Error: |OBJECT_UNRECONSTRUCTABLE|have been lost due to node failure|no locations were found|ReferenceCountingAssertionError: ",
        role=ClueRole.WRAPPER,
        certainty=Certainty.CERTAIN,
        matches=(
            "ray.exceptions.ObjectLostError: Failed to retrieve object ffff.",
            "All copies of 00ff have been lost due to node failure.",
        ),
        near_misses=("except ObjectLostError",),
    ),
    Signature(
        name="object-owner-died",
        code="object.owner-died",
        contains=("OwnerDiedError", "The object's owner has exited"),
        pattern=r"OwnerDiedError: |The object's owner has exited",
        matches=(
            "ray.exceptions.OwnerDiedError: Failed to retrieve object ffff.",
            "The object's owner has exited. This is the Python worker that first created the ObjectRef",
        ),
        near_misses=("except OwnerDiedError",),
    ),
)
