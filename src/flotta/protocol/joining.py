"""How far a device has come with joining: the file `joining.json` that the gateway writes.

Every member is in docs/reference/device.md#joining-status. Readers get it from another program, so
it is bounded, and what they do not know is ignored.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from flotta.durable_files import read_bounded
from flotta.protocol.json_text import decode_json

FORMAT = 1
MAX_SIZE = 16 * 1024  # bytes
MAX_MESSAGE = 1024  # characters
Text = Annotated[str, Meta(max_length=MAX_MESSAGE)]


class Phase(StrEnum):
    """Where a device is on its way into the fleet."""

    CONNECTING = "Connecting"  # no answer of the control plane yet, or none at present
    WAITING = "Waiting"  # an administrator has to approve the request
    REFUSED = "Refused"  # the control plane said no, and why
    JOINED = "Joined"  # the control plane has accepted the device's own certificate


class JoiningStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What the gateway knows; `reason` is a code of docs/reference/reasons.md."""

    format: int = FORMAT
    phase: Phase
    reason: Text = ""
    message: Text = ""  # a sentence
    code: Text = ""  # see `console_code`; empty before the device has a key
    server: Text = ""  # host:port
    device_id: Text = msgspec.field(name="deviceID", default="")
    since: Text = ""  # RFC 3339, of this phase and reason


def encode_joining(status: JoiningStatus) -> bytes:
    """Return the content of the file."""
    return msgspec.json.encode(status)


def read_joining(path: Path) -> JoiningStatus | None:
    """Return the content of the file; None where there is none that can be read."""
    try:
        return decode_json(read_bounded(path, MAX_SIZE), JoiningStatus)
    except (OSError, ValueError):
        return None
