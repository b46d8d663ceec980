"""Errors of the worker.

WorkerError
├── ConfigurationError   a configuration message that is refused as a whole
├── WorkloadError        one workload cannot run as specified; has the reason that the user sees
└── DeliveryError        the gateway or the Edge API gave no usable response
"""

from __future__ import annotations


class WorkerError(Exception):
    """Base of the worker's own errors; the text is a sentence for the user."""


class ConfigurationError(WorkerError):
    """The configuration message is malformed or incomplete."""


class WorkloadError(WorkerError):
    """A workload failed; `reason` is one CamelCase word.

    `permanent` means that only a new configuration helps. Every reason must be listed in
    docs/reference/reasons.md#reasons-of-a-workload-on-a-device.
    """

    def __init__(self, reason: str, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.permanent = permanent


class WipeError(WorkerError):
    """Something of the workloads could not be removed; the message says what."""


class DeliveryError(WorkerError):
    """A message could not be delivered; `retry_after` is the server's Retry-After in seconds."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
