"""Collectives of many processes: NCCL, Gloo, the store in which ranks meet. A hang is another matter than a break."""

from __future__ import annotations

from serve_app.jobs.diagnosis.catalogue.catalogue import ClueRole, Signature
from serve_app.jobs.diagnosis.models import Certainty

SIGNATURES: tuple[Signature, ...] = (
    Signature(
        name="collective",
        code="gpu.collective-timeout",
        contains=(
            "The client socket has timed out after",
            "Watchdog caught collective operation timeout",
            "NCCLHangError",
            "NCCL timeout",
            "gloo/transport/tcp",
            "Timed out waiting for",
            "wait timeout after",
            "Some NCCL operations have failed or timed out",
            "Timed out after",
            "Timed out initializing process group",
            "Timeout waiting for key",
            "Rendezvous timed out",
            "RendezvousTimeoutError",
            "got error: Socket Timeout",
        ),
        pattern=r"client socket has timed out|collective operation timeout|NCCLHangError|NCCL timeout|gloo/transport/tcp.{0,200}(?:Timed out|timed out)|wait timeout after \d+ ?ms|Some NCCL operations have|Timed out (?:initializing process group|waiting for clients|after \d+ seconds waiting for clients)|Timeout waiting for key: \w|Rendezvous timed out|RendezvousTimeoutError|got error: Socket Timeout",
        matches=(
            "[rank3]:[E ProcessGroupNCCL.cpp:5] [PG 0 Rank 3] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=9)",
            "RuntimeError: [1] is setting up NCCL communicator and retrieving ncclUniqueId from [0] via c10d key-value store by key '0', but store->get('0') got error: Socket Timeout",
            "torch.distributed.DistStoreError: Timed out after 601 seconds waiting for clients. 1/2 clients joined.",
        ),
        near_misses=("Timed out waiting for a lock", "Timed out after 3 tries"),
    ),
    Signature(
        name="collective-broke",
        code="gpu.collective-failed",
        contains=(
            "NCCL error",
            "NCCL Error ",
            "ncclInternalError",
            "ncclSystemError",
            "ncclRemoteError",
            "ncclUnhandledCudaError",
            "ncclInvalidUsage",
            "ncclInvalidArgument",
            "gloo/transport/tcp",
            "Gloo connectFullMesh failed",
            "DistNetworkError",
            "NCCL communicator was aborted",
            "NCCL communicator encountered error",
            "Connection closed by remote peer",
            "Duplicate GPU detected",
        ),
        pattern=r"NCCL [Ee]rror(?: \d|: unhandled|: invalid|: internal|: remote| in)|nccl(?:Internal|System|Remote|UnhandledCuda|InvalidUsage|InvalidArgument)(?:Error)?\b|gloo/transport/tcp.{0,200}(?:[Cc]onnection (?:closed|reset|refused)|[Bb]roken pipe|SO_ERROR|No route)|Gloo connectFullMesh failed|DistNetworkError: |communicator (?:was aborted|encountered error)|NCCL.{0,80}closed by remote peer|Duplicate GPU detected",
        unless=r"NCCL INFO|ncclInternalError: 0\b",
        certainty=Certainty.LIKELY,
        matches=(
            "RuntimeError: NCCL Error 2: unhandled system error",
            "torch.distributed.DistBackendError: NCCL error in: ProcessGroupNCCL.cpp:1970, remote process exited or there was a network error",
            "RuntimeError: [/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:598] Connection closed by peer [10.0.0.7]:9",
        ),
        near_misses=("NCCL INFO ncclRemoteError is handled", "the NCCL error rate is 0"),
    ),
    Signature(
        name="collective-store-lost",
        code="gpu.collective-failed",
        contains=(
            "DistStoreError",
            "store->get('",
            "recvValue failed",
            "sendBytes failed",
            "recvBytes failed",
            "Broken pipe (TCPStore",
            "Connection was likely closed. Did the remote server shutdown or crash?",
            "Connection reset by peer (TCPStore",
        ),
        pattern=r"DistStoreError: (?:[^T]|T[^i])|store->get\('.{0,200}(?:reset|closed|Broken)|(?:recvValue|sendBytes|recvBytes) failed|likely closed\. Did the remote",
        role=ClueRole.SYMPTOM,
        certainty=Certainty.LIKELY,
        matches=(
            "recvValue failed on SocketImpl(fd=77, addr=[a]:1, remote=[b]:2): Failed to recv, got 0 bytes. Connection was likely closed. Did the remote server shutdown or crash?",
            "torch.distributed.DistStoreError: Socket is not connected",
        ),
        near_misses=("torch.distributed.DistStoreError: Timed out after 601 seconds waiting for clients.",),
    ),
)
