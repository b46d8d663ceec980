"""The configuration on disk: two generations, each with a checksum.

A generation is one file: the SHA-256 of the rest in hex, a line feed, and the message content as
received. It contains secrets: 0600 in a 0700 directory. Unreadable files never mean "no workloads":
`load` then returns None, and says when there may have been a newer configuration, so that nothing
is removed because an older one does not contain it
(docs/reference/device.md#configuration-on-disk).
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
from pathlib import Path
from typing import NamedTuple

from flotta.durable_files import read_bounded, sync_directory, write_atomically
from flotta.protocol.models import DeviceConfigurationMessage
from flotta.protocol.reasons.device_programs import STATE_UNREADABLE
from flotta.tree_removal import remove_tree
from flotta.worker.configuration import MAX_MESSAGE, parse_configuration
from flotta.worker.errors import ConfigurationError, WipeError

log = logging.getLogger(__name__)

MAX_SIZE = MAX_MESSAGE + 100  # bytes, with the checksum


class StoredConfiguration(NamedTuple):
    """A configuration from the disk; `is_newest` unless a newer one was lost or not stored."""

    message: DeviceConfigurationMessage
    is_newest: bool


class ConfigurationStore:
    """Keeps the last good configuration in `directory` and the one before it."""

    def __init__(self, directory: Path) -> None:
        self.current = directory / "configuration"
        self.previous = directory / "configuration.previous"

    def load(self) -> StoredConfiguration | None:
        """Return the newest generation that is intact, None when there is none."""
        for path in (self.current, self.previous):
            try:
                message = parse_configuration(_unseal(read_bounded(path, MAX_SIZE)))
            except FileNotFoundError:
                continue
            except Exception as error:  # of any damage: the device must start
                log.warning("%s cannot be used: %s [%s]", path, error, STATE_UNREADABLE)
                continue
            return StoredConfiguration(message, is_newest=path == self.current)
        return None

    def save(self, content: bytes) -> None:
        """Make `content` the current generation.

        Raises OSError when it cannot be written; the old generation is then the one before.
        """
        try:
            self.current.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._is_whole(self.current):
                self._keep_current()
            write_atomically(self.current, _seal(content))
        except OSError:
            with contextlib.suppress(OSError):
                self._retire_current()
            raise

    def wipe(self) -> None:
        """Remove both generations and every file that an interrupted write of one has left.

        Raises WipeError with what is left.
        """
        folder, left = self.current.parent, []
        names = os.listdir(folder) if folder.exists() else ()
        for name in names:
            if name.lstrip(".").startswith(self.current.name):
                left += remove_tree(folder / name)
        if left:
            raise WipeError("; ".join(map(str, left)))
        if names:
            sync_directory(folder)

    def _keep_current(self) -> None:
        spare = self.previous.with_suffix(".new")
        spare.unlink(missing_ok=True)
        os.link(self.current, spare)
        os.replace(spare, self.previous)

    def _retire_current(self) -> None:
        """Leave the old generation as the one before only; a full disk has the space for that."""
        if not self._is_whole(self.current):
            return
        # Renaming a file to another name of the same file does nothing (rename(2)).
        if not (self.previous.exists() and self.previous.samefile(self.current)):
            os.replace(self.current, self.previous)
        self.current.unlink(missing_ok=True)

    @staticmethod
    def _is_whole(path: Path) -> bool:
        with contextlib.suppress(OSError, ConfigurationError):
            _unseal(read_bounded(path, MAX_SIZE))
            return True
        return False


def _seal(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode() + b"\n" + content


def _unseal(data: bytes) -> bytes:
    checksum, _, content = data.partition(b"\n")
    if checksum.decode(errors="replace") != hashlib.sha256(content).hexdigest():
        raise ConfigurationError("its checksum does not match its content")
    return content
