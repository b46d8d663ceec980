"""Errors of this package; the text of each is a sentence for the log.

GatewayError
├── Unreachable        no connection, or no response in time: temporary
├── UntrustedServer    the server does not belong to this device's fleet
├── ProbablyRefused    connection ended before any byte of a response
├── BadResponse        not HTTP, too large, or not the expected content
└── IdentityUnusable   a certificate that cannot be installed, or no certificate at all
"""

from __future__ import annotations


class GatewayError(Exception):
    """A request of the device to the Edge API failed."""


class Unreachable(GatewayError):
    """There was no connection, or no response in time."""


class UntrustedServer(GatewayError):
    """The server certificate does not verify."""


class ProbablyRefused(GatewayError):
    """The server closed the connection before any byte of a response.

    A server that refuses a client certificate does exactly that: with TLS 1.3 the client's
    handshake is complete by then, and asyncio and uvloop send no alert.
    """


class BadResponse(GatewayError):
    """The response is not HTTP, too large, or not the expected content."""


class IdentityUnusable(GatewayError):
    """No usable certificate and key exist, or a new certificate does not fit."""
