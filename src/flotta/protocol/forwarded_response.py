"""The Edge API's response to a worker's message, as the gateway forwards it: JSON in a gRPC reply.

The names are those of yggdrasil. Without a response there is no JSON at all.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class ForwardedResponse(msgspec.Struct):
    """Status, body and header fields of an HTTP response."""

    status: int = msgspec.field(name="StatusCode")
    body: object = msgspec.field(default=None, name="Body")  # JSON; None for another one or none
    headers: Mapping[str, object] | None = msgspec.field(default=None, name="Metadata")  # texts
