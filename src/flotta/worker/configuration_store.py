"""The configuration on disk: two generations, each with a checksum.

A generation is one file: the SHA-256 of the rest in hex, a line feed, and the message content as
received. It contains secrets: 0600 in a 0700 directory. Unreadable files never mean "no workloads":
`load` then returns None (docs/reference/device.md#configuration-on-disk).
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
from pathlib import Path

from flotta.durable_files import sync_directory, write_atomically
from flotta.protocol.models import DeviceConfigurationMessage
from flotta.worker.configuration import parse_configuration
from flotta.worker.errors import ConfigurationError

log = logging.getLogger(__name__)


class ConfigurationStore:
    """Keeps the last good configuration in `directory` and the one before it."""

    def __init__(self, directory: Path) -> None:
        self.current = directory / "configuration"
        self.previous = directory / "configuration.previous"

    def load(self) -> DeviceConfigurationMessage | None:
        """Return the newest generation that is intact, None when there is none."""
        for path in (self.current, self.previous):
            try:
                return parse_configuration(_unseal(path.read_bytes()))
            except FileNotFoundError:
                continue
            except (OSError, ConfigurationError) as error:
                log.warning("%s cannot be used: %s", path, error)
        return None

    def save(self, content: bytes) -> None:
        """Make `content` the current generation.

        Raises OSError when it cannot be written; the old generation then stays.
        """
        if self._is_whole(self.current):
            self._keep_current()
        write_atomically(self.current, _seal(content))

    def wipe(self) -> None:
        """Remove both generations."""
        for path in (self.current, self.previous):
            path.unlink(missing_ok=True)
        if self.current.parent.exists():
            sync_directory(self.current.parent)

    def _keep_current(self) -> None:
        spare = self.previous.with_suffix(".new")
        spare.unlink(missing_ok=True)
        os.link(self.current, spare)
        os.replace(spare, self.previous)

    @staticmethod
    def _is_whole(path: Path) -> bool:
        with contextlib.suppress(OSError, ConfigurationError):
            _unseal(path.read_bytes())
            return True
        return False


def _seal(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode() + b"\n" + content


def _unseal(data: bytes) -> bytes:
    checksum, _, content = data.partition(b"\n")
    if checksum.decode(errors="replace") != hashlib.sha256(content).hexdigest():
        raise ConfigurationError("its checksum does not match its content")
    return content
