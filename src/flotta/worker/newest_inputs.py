"""The newest objects that a configuration of this device was made of.

An Edge API whose watch broke, or a store that was replaced by an older copy, delivers an older
configuration. It does not show that anybody wants a workload removed
(docs/reference/device.md#older-configurations).
"""

from __future__ import annotations

import logging
from pathlib import Path

from msgspec.structs import replace

from flotta.durable_files import read_bounded, write_atomically
from flotta.protocol.envelope import encode
from flotta.protocol.json_text import decode_json
from flotta.protocol.models import DeviceConfigurationMessage, InputsVersion
from flotta.protocol.reasons.device_programs import STATE_NOT_STORED, STATE_UNREADABLE

log = logging.getLogger(__name__)

MAX_SIZE = 4096  # bytes of the file
MAX_DIGITS = 20  # of a resourceVersion; 64 bits
VERSIONS = {  # fields of InputsVersion, and what people call them
    "workloads_version": "EdgeWorkloads",
    "device_version": "EdgeDevice",
    "resource_version": "EdgeWorkloads and EdgeDevices",  # of control planes that send one number
}


class NewestInputs:
    """Remembers the highest versions, on disk too; those of one EdgeDevice that this device was."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._newest = _load(path)

    def is_older(self, message: DeviceConfigurationMessage) -> bool:
        """Tell whether a message was made of older objects than one before it."""
        return bool(self._lower_versions(message))

    def describe(self, message: DeviceConfigurationMessage) -> str:
        """Return which versions of an older message are lower than before, empty for none."""
        return ", ".join(
            f"{VERSIONS[name]} {version} after {newest}"
            for name, (version, newest) in self._lower_versions(message).items()
        )

    def note(self, message: DeviceConfigurationMessage) -> None:
        """Remember the versions of a message that was accepted; an error of the disk is logged."""
        inputs = message.inputs_version
        if inputs is None or not _numbers_of(inputs) or self.is_older(message):
            return
        newest = self._newest if inputs.device_uid == self._newest.device_uid else InputsVersion()
        known = {name: getattr(inputs, name) for name in _numbers_of(inputs)}
        newest = replace(newest, device_uid=inputs.device_uid, **known)
        if newest == self._newest:
            return
        self._newest = newest
        try:
            write_atomically(self._path, encode(newest))
        except OSError as error:
            log.warning("%s cannot be written: %s [%s]", self._path, error, STATE_NOT_STORED)

    def wipe(self) -> None:
        """Forget them; raises OSError."""
        self._newest = InputsVersion()
        self._path.unlink(missing_ok=True)

    def _lower_versions(self, message: DeviceConfigurationMessage) -> dict[str, tuple[int, int]]:
        """Return the versions that are lower than before, each with the highest."""
        inputs = message.inputs_version
        if inputs is None or inputs.device_uid != self._newest.device_uid:
            return {}
        newest = _numbers_of(self._newest)
        return {
            name: (version, newest[name])
            for name, version in _numbers_of(inputs).items()
            if version < newest.get(name, 0)
        }


def _numbers_of(inputs: InputsVersion) -> dict[str, int]:
    """Return the versions that are numbers, which alone can be compared."""
    texts = {name: getattr(inputs, name) for name in VERSIONS}
    return {name: int(text) for name, text in texts.items() if _is_number(text)}


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS


def _load(path: Path) -> InputsVersion:
    try:
        return decode_json(read_bounded(path, MAX_SIZE), InputsVersion)
    except FileNotFoundError:
        return InputsVersion()
    except (OSError, ValueError) as error:
        log.warning("%s cannot be used: %s [%s]", path, error, STATE_UNREADABLE)
        return InputsVersion()
