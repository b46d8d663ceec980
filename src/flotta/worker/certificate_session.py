"""The worker's part in the device's certificate, as the client of the gateway sees it.

`own_certificate` does it; that loads cryptography, which a worker of our own gateway does without.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

CERTIFICATE_RECORD = "certificate.json"  # in the state directory, only where there is a session


class CertificateSession(Protocol):
    """One connection to a gateway that leaves key and certificate to its workers."""

    async def complete(self, content: msgspec.Struct) -> msgspec.Struct:
        """Return an enrolment or registration with the worker's part; raises DeliveryError."""

    async def take(self, content: msgspec.Struct, status: int, body: object) -> None:
        """Take the certificate out of a response, heed a refusal; raises DeliveryError."""

    def close(self) -> None:
        """Renew no more."""
