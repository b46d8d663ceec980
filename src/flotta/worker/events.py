"""Events for the control plane: kept on disk until a heartbeat that carried them was accepted.

Numbers: docs/reference/device.md#heartbeats.
"""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from flotta.durable_files import read_bounded, write_atomically
from flotta.protocol.json_text import decode_json
from flotta.protocol.models import EventInfo
from flotta.protocol.reasons.device_programs import STATE_NOT_STORED, STATE_UNREADABLE
from flotta.protocol.reasons.reason import Code

log = logging.getLogger(__name__)

MAX_EVENTS = 200  # events that are kept
BATCH_SIZE = 50  # events in one heartbeat
MAX_MESSAGE = 1000  # characters
MAX_NAME = 253  # characters of a workload's name or a reason
MAX_SIZE = 4 << 20  # bytes of the file, more than MAX_EVENTS take up
REMEMBERED = 10  # events, the newest, which are not repeated


class EventQueue:
    """At most `MAX_EVENTS` events, oldest first; the oldest are dropped when it is full."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._events = _load(path)

    def add_warning(self, reason: Code, message: str, *, workload: str = "") -> None:
        """Queue a warning, unless it equals one of the last ten.

        An error of the disk is only logged.
        """
        event = EventInfo(
            reason=reason[:MAX_NAME],
            message=message[:MAX_MESSAGE],
            type="warn",
            workload=workload[:MAX_NAME],
        )
        if any(event == other for other in self._events[-REMEMBERED:]):
            return
        self._events.append(event)
        del self._events[: max(0, len(self._events) - MAX_EVENTS)]
        self._save()

    def next_batch(self) -> list[EventInfo]:
        """Return what the next heartbeat should carry."""
        return self._events[:BATCH_SIZE]

    def acknowledge(self, sent: list[EventInfo]) -> None:
        """Remove events that the control plane has; some may have been dropped meanwhile."""
        gone = {id(event) for event in sent}
        self._events = [event for event in self._events if id(event) not in gone]
        self._save()

    def wipe(self) -> None:
        """Remove all events; raises OSError."""
        self._events.clear()
        self._path.unlink(missing_ok=True)

    def _save(self) -> None:
        try:
            write_atomically(self._path, msgspec.json.encode(self._events))
        except OSError as error:
            log.warning("Events cannot be stored on disk: %s [%s]", error, STATE_NOT_STORED)


def _load(path: Path) -> list[EventInfo]:
    try:
        return decode_json(read_bounded(path, MAX_SIZE), list[EventInfo])[-MAX_EVENTS:]
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        log.warning(
            "%s cannot be read, starting without events: %s [%s]", path, error, STATE_UNREADABLE
        )
        return []
