"""The gRPC services between gateway and workers, under names of ours."""

from __future__ import annotations

from flotta.protocol.yggdrasil_grpc import DispatcherBase, DispatcherStub, WorkerBase, WorkerStub
from flotta.protocol.yggdrasil_pb2 import (
    RECEIVED_DISCONNECT,
    Config,
    Data,
    Empty,
    EventNotification,
    EventReceipt,
    RegistrationRequest,
    RegistrationResponse,
    Response,
)

__all__ = [
    "RECEIVED_DISCONNECT",
    "Config",
    "Data",
    "DispatcherBase",
    "DispatcherStub",
    "Empty",
    "EventNotification",
    "EventReceipt",
    "RegistrationRequest",
    "RegistrationResponse",
    "Response",
    "WorkerBase",
    "WorkerStub",
]
