"""More ways in which objects, code and names do not get from one process of a job to another."""

from __future__ import annotations

from serve_app.jobs.diagnosis.catalogue.catalogue import Signature
from serve_app.jobs.diagnosis.models import Certainty

SIGNATURES: tuple[Signature, ...] = (
    Signature(
        name="actor-name-taken-before",
        code="app.actor-name-conflict",
        contains=("is already taken. Please use a different name",),
        # Until Ray 2.48.
        matches=(
            "ValueError: The name counter is already taken. Please use a different name or get the existing "
            "actor using",
            "ValueError: The name counter (namespace=None) is already taken. Please use a different name or get "
            "the existing",
        ),
        near_misses=("the user name is already taken",),
    ),
    Signature(
        name="actor-name-unknown-before",
        code="app.actor-not-found",
        contains=("Failed to look up actor '", "You are either trying to look up a named actor you didn't create"),
        matches=(
            "ValueError: Failed to look up actor 'registry'. You are either trying to look up a named actor you "
            "didn't create",
            "You are either trying to look up a named actor you didn't create, the named actor died, or the "
            "actor hasn't",
        ),
        near_misses=("Failed to look up actors of 3 nodes",),
    ),
    Signature(
        name="function-unknown-before",
        code="app.import-error",
        contains=("asked to execute a function that it does not have registered",),
        certainty=Certainty.POSSIBLE,
        matches=(
            "This worker was asked to execute a function that it does not have registered. You may have to "
            "restart Ray.",
            "(pid=9) This worker was asked to execute a function that it does not have registered.",
        ),
        near_misses=("This worker was asked to execute a function twice",),
    ),
    Signature(
        name="message-too-large",
        code="app.serialization",
        contains=("eceived message larger than max (", "ent message larger than max"),
        certainty=Certainty.LIKELY,
        matches=(
            'details = "Received message larger than max (536870928 vs. 524288000)"',
            "RuntimeError: RESOURCE_EXHAUSTED: Sent message larger than max (612000123 vs. 536870912)",
        ),
        near_misses=("the message is larger than max_tokens",),
        advice=("Put large arguments, results and captured data into the object store with ray.put.",),
    ),
    Signature(
        name="exception-cannot-be-unpickled",
        code="app.serialization",
        contains=("Failed to unpickle serialized exception",),
        certainty=Certainty.LIKELY,
        matches=(
            "ray.exceptions.RaySystemError: System error: Failed to unpickle serialized exception",
            "RuntimeError: Failed to unpickle serialized exception",
        ),
        near_misses=("Failed to unpickle 3 rows",),
        advice=("Make the exception picklable: pass all arguments of its constructor to super().__init__.",),
    ),
    Signature(
        name="reference-out-of-band",
        code="app.serialization",
        contains=("OufOfBandObjectRefSerializationException", "It is not allowed to serialize ray.ObjectRef"),
        matches=(
            "ray.exceptions.OufOfBandObjectRefSerializationException: It is not allowed to serialize "
            "ray.ObjectRef 00ff.",
            "It is not allowed to serialize ray.ObjectRef 00ffff. If you want to allow serialization",
        ),
        near_misses=("It is not allowed to serialize rays of light",),
    ),
    Signature(
        name="python-versions-differ",
        code="cluster.version-mismatch",
        contains=(
            "unsupported pickle protocol: ",
            "TypeError: code() argument ",
            "TypeError: code expected at ",
            "TypeError: code() takes at ",
            "SystemError: unknown opcode",
        ),
        certainty=Certainty.LIKELY,
        matches=(
            "ValueError: unsupported pickle protocol: 5",
            "TypeError: code() argument 13 must be str, not int",
            "TypeError: code expected at least 16 arguments, got 15",
        ),
        near_misses=("TypeError: decode() argument 1 must be str, not int",),
    ),
    Signature(
        name="compiled-for-another-version",
        code="app.import-error",
        contains=(
            "size changed, may indicate binary incompatibility",
            "module compiled against ABI version",
            "module compiled against API version",
            "RuntimeError: Numpy is not available",
        ),
        pattern=r"(?:Value|Runtime|Import)Error: ",
        certainty=Certainty.LIKELY,
        matches=(
            "ValueError: numpy.dtype size changed, may indicate binary incompatibility. Expected 96, got 88",
            "RuntimeError: module compiled against ABI version 0x1000009 but this version of numpy is 0x2000000",
            "RuntimeError: Numpy is not available",
        ),
        near_misses=("RuntimeWarning: numpy.ufunc size changed, may indicate binary incompatibility. Expected 192",),
        advice=("Install versions that were built for each other: most often an older NumPy (numpy<2) is needed.",),
    ),
)
