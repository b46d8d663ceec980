"""Message envelopes between gateway and Edge API (docs/reference/wire-protocol.md#envelopes)."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from flotta.protocol.json_text import decode_report
from flotta.rfc3339 import format_wire_time

T = TypeVar("T")
# Types of messages; an empty type is accepted as well.
TYPES = ("connection-status", "command", "event", "data")
NULL = msgspec.Raw(b"null")


class Message(msgspec.Struct, omit_defaults=True):
    """One message in either direction (docs/reference/wire-protocol.md#message).

    `content` is embedded JSON in the form of its directive.
    """

    type: str = ""  # one of TYPES
    message_id: str = ""
    response_to: str = ""  # the id of another message
    version: int = 0  # 1 in the messages that flotta sends
    sent: str = ""  # RFC 3339
    directive: str = ""  # of a `data` message: what it is about
    metadata: dict[str, object] | None = None
    content: msgspec.Raw = NULL


class MessageResponse(msgspec.Struct, omit_defaults=True):
    """Body of a 200 response to a message from the device.

    See docs/reference/wire-protocol.md#message-response.
    """

    directive: str = ""
    message_id: str = ""
    content: msgspec.Raw = NULL
    metadata: dict[str, object] | None = None


class Command(msgspec.Struct):
    """Content of a `command` message (docs/reference/wire-protocol.md#commands)."""

    command: str
    arguments: dict[str, str] | None = None


def decode(data: bytes | msgspec.Raw, type_: type[T]) -> T:
    """Decode JSON into a model; unknown fields are ignored, `null` is read as an empty object.

    The rules are in docs/reference/wire-protocol.md#json-conventions. Raises ValueError with the
    path of the first wrong field.
    """
    return decode_report(b"{}" if bytes(data).strip() in (b"", b"null") else data, type_)


def encode(obj: object) -> bytes:
    """Return the JSON of a model or of plain data."""
    return msgspec.json.encode(obj)


def decode_message(data: bytes) -> Message:
    """Decode an envelope.

    Raises ValueError for an unknown type, msgspec.DecodeError (one of its subclasses) for anything
    that is not JSON of this form, or nested too deeply.
    """
    message = decode_report(data, Message)
    if message.type and message.type not in TYPES:
        raise ValueError(f"type in body should be one of {list(TYPES)}")
    return message


def new_message(
    type_: str, content: object = None, *, directive: str = "", response_to: str = ""
) -> Message:
    """Return a message with a new id and the current time.

    `content` is a model, plain data or Raw.
    """
    raw = content if isinstance(content, msgspec.Raw) else msgspec.Raw(encode(content))
    return Message(
        type=type_,
        message_id=str(uuid.uuid4()),
        response_to=response_to,
        version=1,
        sent=format_wire_time(datetime.now(UTC)),
        directive=directive,
        content=raw,
    )


def new_data_message(directive: str, content: object = None) -> Message:
    """Return a new `data` message."""
    return new_message("data", content, directive=directive)


def new_command_message(command: str, arguments: dict[str, str] | None = None) -> Message:
    """Return a new `command` message."""
    return new_message("command", Command(command, arguments))
