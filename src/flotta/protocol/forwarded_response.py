"""The Edge API's response to a worker's message, as the gateway forwards it: JSON in a gRPC reply.

The names are those of yggdrasil. If there was no response, the reply is empty
(docs/reference/wire-protocol.md#from-the-worker-to-the-edge-api).
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class ForwardedResponse(msgspec.Struct):
    """Status, body and header fields of an HTTP response."""

    status: int = msgspec.field(name="StatusCode")
    body: object = msgspec.field(
        default=None, name="Body"
    )  # None if there is none or it is not JSON
    headers: Mapping[str, object] | None = msgspec.field(default=None, name="Metadata")  # strings
