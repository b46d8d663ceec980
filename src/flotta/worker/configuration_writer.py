"""Writes configurations to disk, whenever the disk takes them."""

from __future__ import annotations

import asyncio
import logging

from flotta.protocol.reasons.device_programs import STATE_NOT_STORED
from flotta.worker.configuration_store import ConfigurationStore

log = logging.getLogger(__name__)


class ConfigurationWriter:
    """Keeps a configuration that the disk has refused, to be written later."""

    def __init__(self, store: ConfigurationStore) -> None:
        self._store = store
        self._refused: bytes | None = None

    @property
    def is_behind(self) -> bool:
        """Whether the newest configuration is not on disk."""
        return self._refused is not None

    async def write(self, content: bytes) -> None:
        """Write a configuration; an error of the disk is logged once."""
        try:
            await asyncio.to_thread(self._store.save, content)
        except OSError as error:
            if self._refused is None:
                log.error(
                    "The configuration is applied but could not be stored: %s [%s]",
                    error,
                    STATE_NOT_STORED,
                )
            self._refused = content
        else:
            self._refused = None

    async def write_refused(self) -> bool:
        """Write what the disk has refused; tell whether that ended now."""
        if self._refused is None:
            return False
        await self.write(self._refused)
        return self._refused is None

    def forget_refused(self) -> None:
        """Write nothing later: everything is being removed."""
        self._refused = None
