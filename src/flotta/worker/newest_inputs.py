"""The newest objects that a configuration of this device was made of.

An Edge API whose watch broke, or a store that was replaced by an older copy, delivers an older
configuration. It does not show that anybody wants a workload removed
(docs/reference/device.md#older-configurations).
"""

from __future__ import annotations

import logging
from pathlib import Path

from flotta.durable_files import read_bounded, write_atomically
from flotta.protocol.envelope import encode
from flotta.protocol.json_text import decode_json
from flotta.protocol.models import DeviceConfigurationMessage, InputsVersion
from flotta.protocol.reasons.device_programs import STATE_NOT_STORED, STATE_UNREADABLE

log = logging.getLogger(__name__)

MAX_SIZE = 4096  # bytes of the file
MAX_DIGITS = 20  # of a resourceVersion; 64 bits


class NewestInputs:
    """Remembers the highest version, on disk too; one for each EdgeDevice that this device was."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._newest = _load(path)

    @property
    def resource_version(self) -> str:
        """The highest version, empty when there was none yet."""
        return self._newest.resource_version

    def is_older(self, message: DeviceConfigurationMessage) -> bool:
        """Tell whether a message was made of older objects than one before it."""
        inputs = message.inputs_version
        if inputs is None or inputs.device_uid != self._newest.device_uid:
            return False
        version, newest = _number_of(inputs), _number_of(self._newest)
        return version is not None and newest is not None and version < newest

    def note(self, message: DeviceConfigurationMessage) -> None:
        """Remember the version of a message that was accepted; an error of the disk is logged."""
        inputs = message.inputs_version
        if inputs is None or inputs == self._newest or self.is_older(message):
            return
        if _number_of(inputs) is None:
            return
        self._newest = inputs
        try:
            write_atomically(self._path, encode(inputs))
        except OSError as error:
            log.warning("%s cannot be written: %s [%s]", self._path, error, STATE_NOT_STORED)

    def wipe(self) -> None:
        """Forget it; raises OSError."""
        self._newest = InputsVersion()
        self._path.unlink(missing_ok=True)


def _number_of(inputs: InputsVersion) -> int | None:
    """Return the version as a number, None when it is not one and cannot be compared."""
    text = inputs.resource_version
    is_number = text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS
    return int(text) if is_number else None


def _load(path: Path) -> InputsVersion:
    try:
        return decode_json(read_bounded(path, MAX_SIZE), InputsVersion)
    except FileNotFoundError:
        return InputsVersion()
    except (OSError, ValueError) as error:
        log.warning("%s cannot be used: %s [%s]", path, error, STATE_UNREADABLE)
        return InputsVersion()
