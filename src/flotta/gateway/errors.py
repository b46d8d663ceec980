"""Errors of this package; the text of each is a sentence for the log, with its code at the end.

GatewayError
├── Unreachable        no connection, or no response in time: temporary
├── UntrustedServer    the server does not belong to this device's fleet
├── ProbablyRefused    connection ended before any byte of a response
├── BadResponse        not HTTP, too large, or not the expected content
└── IdentityUnusable   a certificate that cannot be installed, or no certificate at all
"""

from __future__ import annotations

from flotta.protocol.reasons.device_programs import (
    CERTIFICATE_REFUSED,
    EDGE_API_UNREACHABLE,
    IDENTITY_UNUSABLE,
    INVALID_RESPONSE,
    NOT_STORED,
    SERVER_NOT_TRUSTED,
)
from flotta.protocol.reasons.reason import Code, with_code


class GatewayError(Exception):
    """A request of the device to the Edge API failed."""

    reason: Code = EDGE_API_UNREACHABLE

    def __str__(self) -> str:
        return with_code(super().__str__(), self.reason)


class Unreachable(GatewayError):
    """There was no connection, or no response in time."""


class UntrustedServer(GatewayError):
    """The server certificate does not verify."""

    reason = SERVER_NOT_TRUSTED


class ProbablyRefused(GatewayError):
    """The server closed the connection before any byte of a response.

    A server that refuses a client certificate does exactly that: with TLS 1.3 the client's
    handshake is complete by then, and asyncio and uvloop send no alert.
    """

    reason = CERTIFICATE_REFUSED


class BadResponse(GatewayError):
    """The response is not HTTP, too large, or not the expected content."""

    reason = INVALID_RESPONSE


class IdentityUnusable(GatewayError):
    """No usable certificate and key exist, or a new certificate does not fit."""

    reason = IDENTITY_UNUSABLE


def describe_error(error: GatewayError | OSError) -> str:
    """Return the sentence of an error with its code; one of the system concerns our own files."""
    return str(error) if isinstance(error, GatewayError) else with_code(str(error), NOT_STORED)
