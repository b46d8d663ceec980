"""Errors of this package; the text of each is a sentence for the journal.

GatewayError
├── Unreachable        no connection, or no response in time: temporary
├── UntrustedServer    the server is not of this device's fleet
├── ProbablyRefused    connection ended before any byte of a response
├── BadResponse        not HTTP, too large, or not the content that was asked for
└── IdentityUnusable   a certificate that cannot be installed, or none at all
"""

from __future__ import annotations


class GatewayError(Exception):
    """Something between device and Edge API did not work."""


class Unreachable(GatewayError):
    """There was no connection, or no response in time."""


class UntrustedServer(GatewayError):
    """The server certificate does not verify."""


class ProbablyRefused(GatewayError):
    """The server closed the connection before any byte of a response.

    A server that refuses a client certificate does just that: with TLS 1.3 the client's handshake
    is complete by then, and asyncio and uvloop send no alert.
    """


class BadResponse(GatewayError):
    """The response is not HTTP, too large, or not what was asked for."""


class IdentityUnusable(GatewayError):
    """There is no usable certificate and key, or a new one does not fit."""
