"""Errors of the worker.

WorkerError
├── ConfigurationError   a configuration message that is refused as a whole
├── WorkloadError        one workload cannot run as specified; has the reason that the user sees
└── DeliveryError        the gateway or the Edge API gave no usable response
"""

from __future__ import annotations

from flotta.protocol.reasons.device_programs import GATEWAY_UNAVAILABLE
from flotta.protocol.reasons.reason import Code, with_code


class WorkerError(Exception):
    """Base of the worker's own errors; the text is a sentence for the user."""


class ConfigurationError(WorkerError):
    """The configuration message is malformed or incomplete: `ConfigurationRefused`."""


class WorkloadError(WorkerError):
    """A workload failed; `reason` is a code of `flotta.protocol.reasons.workloads`.

    `permanent` means that only a new configuration helps.
    """

    def __init__(self, reason: Code, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.permanent = permanent


class WipeError(WorkerError):
    """Something of the workloads could not be removed; the message says what."""


class DeliveryError(WorkerError):
    """A message could not be delivered; `retry_after` is the server's Retry-After in seconds."""

    def __init__(
        self, message: str, retry_after: float | None = None, reason: Code = GATEWAY_UNAVAILABLE
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.reason = reason

    def __str__(self) -> str:
        return with_code(super().__str__(), self.reason)
