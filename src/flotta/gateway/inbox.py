"""Messages of the Edge API: configuration for workers, commands for the gateway.

See docs/reference/wire-protocol.md#commands.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

from flotta.gateway.workers import Workers
from flotta.protocol.envelope import Command, Message, decode, decode_message
from flotta.protocol.grpc import Data
from flotta.protocol.reasons.device_programs import UNREADABLE_MESSAGE

log = logging.getLogger(__name__)

MAX_NAME = 256  # characters of an id or a directive
MAX_DELAY = 3600.0  # seconds for which a command can keep the device offline

Handler = Callable[[Message, dict[str, str]], Awaitable[None]]


async def deliver_data(body: bytes, workers: Workers) -> bool:
    """Pass a data message to its worker; return whether it contained anything new.

    Raises ValueError when it is not a message.
    """
    message = _decode_message(body)
    if message.type not in ("data", "") or not message.directive:
        raise ValueError(
            f"a message of type {message.type!r} without directive on the data channel"
        )
    return workers.deliver(
        Data(
            message_id=message.message_id,
            response_to=message.response_to,
            directive=message.directive,
            metadata=_stringify(message.metadata),
            content=bytes(message.content),
        )
    )


async def execute_command(body: bytes, handlers: Mapping[str, Handler]) -> bool:
    """Carry out a command; return whether it is known, others are only logged.

    Raises ValueError when the body is not a message.
    """
    message = _decode_message(body)
    if message.type != "command":
        log.warning(
            "Ignored a message of type %r on the control channel [%s]",
            message.type,
            UNREADABLE_MESSAGE,
        )
        return False
    command = decode(message.content, Command)
    handler = handlers.get(command.command)
    if handler is None:
        log.warning("Ignored the unknown command %r [%s]", command.command, UNREADABLE_MESSAGE)
        return False
    log.info("Received command %s", command.command)
    await handler(message, command.arguments or {})
    return True


def read_delay(arguments: dict[str, str]) -> float:
    """Return the seconds of a `reconnect` command, between 0 and an hour."""
    text = arguments.get("delay", "0")
    return min(float(text), MAX_DELAY) if text.isascii() and text.isdigit() else 0.0


def _decode_message(body: bytes) -> Message:
    """Decode an envelope; raises ValueError, also for an id or a directive without measure."""
    message = decode_message(body)
    if max(map(len, (message.message_id, message.response_to, message.directive))) > MAX_NAME:
        raise ValueError(f"an id or directive of more than {MAX_NAME} characters")
    return message


def _stringify(metadata: Mapping[str, object] | None) -> dict[str, str]:
    return {key: str(value) for key, value in (metadata or {}).items()}
