"""The gRPC services between gateway and workers, without the names of generated modules.

Described in docs/reference/wire-protocol.md#grpc-between-gateway-and-worker.
"""

from __future__ import annotations

from flotta.protocol.yggdrasil_grpc import DispatcherBase, DispatcherStub, WorkerBase, WorkerStub
from flotta.protocol.yggdrasil_pb2 import (
    CONNECTION_RESTORED,
    RECEIVED_DISCONNECT,
    UNEXPECTED_DISCONNECT,
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
    "CONNECTION_RESTORED",
    "RECEIVED_DISCONNECT",
    "UNEXPECTED_DISCONNECT",
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
