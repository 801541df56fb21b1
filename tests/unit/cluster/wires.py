"""How an answer of another deployment arrives: Ray's own classes, no cluster; and one that an old version sent."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Awaitable, Callable, Generator
from types import ModuleType, SimpleNamespace
from typing import Any, Self

from ray import cloudpickle
from ray._private.serialization import SerializationContext
from ray._private.utils import format_error_message
from ray._raylet import SerializedRayObject
from ray.core.generated.common_pb2 import ErrorType
from ray.exceptions import RayError, RayTaskError
from ray.serve._private.replica_result import gRPCReplicaResult
from ray.serve.generated.serve_pb2 import ASGIResponse


class Handle:
    """A handle, its methods and their responses: ``arrive`` unpickles what was sent, as Ray does at the caller."""

    deployment_name = "Store"

    def __init__(self, arrive: Callable[[], Awaitable[Any]]) -> None:
        self._arrive = arrive

    def __getattr__(self, name: str) -> Any:
        return SimpleNamespace(remote=lambda *_: self)

    def options(self, *, stream: bool) -> Handle:
        assert stream
        return self

    def __await__(self) -> Any:
        return self._arrive().__await__()

    async def __anext__(self) -> Any:
        return await self._arrive()

    def cancel(self) -> None: ...


def send_over_grpc(answer: Any) -> Handle:
    """As ``_wrap_grpc_call`` does in ray/serve/_private/replica.py."""
    sent = ASGIResponse(serialized_message=cloudpickle.dumps(answer), is_error=isinstance(answer, Exception))
    by_pickle = {"request_serialization": "cloudpickle", "response_serialization": "cloudpickle"}
    metadata: Any = SimpleNamespace(is_streaming=False, _on_separate_loop=False, **by_pickle)

    async def arrive() -> Any:
        return await gRPCReplicaResult(_GrpcCall(sent), metadata, None).get_async()  # type: ignore[arg-type]

    return Handle(arrive)


def send_by_reference(answer: Any) -> Handle:
    """Through the object store; an error in it is raised by who awaits the reference (``ObjectRef.as_future``)."""
    sent, kind = cloudpickle.dumps(answer), b"PYTHON"
    if isinstance(answer, Exception):
        error_type = str(ErrorType.Value("TASK_EXECUTION_EXCEPTION"))
        task_error = RayTaskError("get", _raise(answer), answer)
        sent, kind = cloudpickle.dumps(task_error.to_bytes()), error_type.encode()

    async def arrive() -> Any:
        (found,) = _InBytes(None).deserialize_objects([SerializedRayObject(sent, kind, None)], [None], {})
        if isinstance(found, RayTaskError):
            raise found.as_instanceof_cause()
        if isinstance(found, RayError):
            raise found
        return found

    return Handle(arrive)


def _raise(error: Exception) -> str:
    try:
        raise error
    except Exception:  # noqa: BLE001
        return str(format_error_message(traceback.format_exc(), task_exception=True))


class OldVersion:
    """Classes that are there while an old replica sends, and are gone when its answer arrives."""

    def __init__(self) -> None:
        self._modules: list[str] = []
        self._classes: list[tuple[ModuleType, str]] = []

    def make(self, module: str, name: str, base: type) -> Any:
        """A class of that name, in a module which is made, too, where there is none."""
        if module not in sys.modules:
            sys.modules[module] = ModuleType(module)
            self._modules.append(module)
        made = type(name, (base,), {"__module__": module})
        setattr(sys.modules[module], name, made)
        self._classes.append((sys.modules[module], name))
        return made

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for module, name in self._classes:
            delattr(module, name)
        for name in self._modules:
            del sys.modules[name]


class _GrpcCall:
    def __init__(self, answer: ASGIResponse) -> None:
        self._answer = answer

    def __await__(self) -> Generator[Any, None, ASGIResponse]:
        yield from ()
        return self._answer

    def add_done_callback(self, callback: Any) -> None: ...


class _InBytes(SerializationContext):  # type: ignore[misc]
    """Ray's, whose pickles lie in a buffer of the object store, which cannot be made here."""

    def _deserialize_msgpack_data(self, data: Any, *_: Any) -> Any:
        return cloudpickle.loads(data)
