"""Images that the worker pulled, and their removal when no workload needs them any more.

Only what the worker pulled is ever removed: other images of the device belong to somebody else.
An image goes after `KEEP_LOOKS` looks in a row at which no workload had it, or as soon as a pull
finds too little room; so a workload that is taken back soon finds its image. The looks are
counted, because the clock of a device may be wrong for years
(docs/reference/device.md#images).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Set
from pathlib import Path

import msgspec

from flotta.durable_files import read_bounded, write_atomically
from flotta.protocol.reasons.device_programs import STATE_NOT_STORED
from flotta.protocol.reasons.workloads import DISK_RESERVE_REACHED
from flotta.worker import podman_storage
from flotta.worker.errors import WorkloadError
from flotta.worker.image_pull import pull_image
from flotta.worker.podman_storage import StoredImage

log = logging.getLogger(__name__)

FILE = "images.json"
MAX_FILE = 1 << 20  # bytes
LOOK = 3600.0  # seconds between looks
KEEP_LOOKS = 24  # looks for which an image that no workload has is kept: a day


class PulledImage(msgspec.Struct):
    """An image by the names under which it was pulled; `unused` counts looks."""

    names: list[str] = []
    unused: int = 0


class PulledImages:
    """The images that the worker pulled, by id; `used` returns the names that workloads have."""

    def __init__(self, state_dir: Path, used: Callable[[], Set[str]]) -> None:
        self._path = state_dir / FILE
        self._used = used
        self._images = self._read()
        self._lock = asyncio.Lock()

    async def run(self) -> None:
        """Look every hour, until cancelled."""
        while True:
            await asyncio.sleep(LOOK)
            await self.look()

    async def pull(self, name: str, auth_file: Path | None) -> None:
        """Pull an image, in the place of unused ones where there is too little room.

        Raises WorkloadError as `pull_image`.
        """
        before = await podman_storage.find_image(name)
        try:
            await pull_image(name, auth_file)
        except WorkloadError as error:
            if error.reason != DISK_RESERVE_REACHED:
                raise
            await self.remove_unused()
            await pull_image(name, auth_file)
        await self._note_pulled(name, before)

    async def _note_pulled(self, name: str, before: StoredImage | None) -> None:
        """Remember an image, unless it was there before the worker pulled it."""
        found = await podman_storage.find_image(name)
        if found is None or (found == before and found.id not in self._images):
            return
        image = self._images.setdefault(found.id, PulledImage())
        image.unused = 0
        if name not in image.names:
            image.names.append(name)
        self._store()

    async def look(self) -> None:
        """Count the images that no workload has, and remove those that waited long enough."""
        async with self._lock:
            await self._count_unused()
            for identity, image in list(self._images.items()):
                if image.unused > KEEP_LOOKS:
                    await self._remove(identity, image)
            self._store()

    async def remove_unused(self) -> None:
        """Remove every image that no workload has: there is no room for another one."""
        async with self._lock:
            await self._count_unused()
            for identity, image in list(self._images.items()):
                if image.unused:
                    await self._remove(identity, image)
            self._store()

    async def remove_all(self) -> None:
        """Remove every image that the worker pulled and that no container uses."""
        async with self._lock:
            for identity, image in list(self._images.items()):
                await self._remove(identity, image)
            self._images.clear()

    async def _count_unused(self) -> None:
        if not self._images:
            return
        found = [await podman_storage.find_image(name) for name in sorted(self._used())]
        used = {image.id for image in found if image is not None}
        for identity, image in self._images.items():
            image.unused = 0 if identity in used else image.unused + 1

    async def _remove(self, identity: str, image: PulledImage) -> None:
        """Remove the names of an image that the worker gave it, and the image with the last."""
        is_used = False
        for name in image.names:
            found = await podman_storage.find_image(name)
            if found is not None and found.id == identity:
                is_used |= not await podman_storage.remove_image(name)
        found = await podman_storage.find_image(identity)
        if found is not None and not found.tags:
            await podman_storage.remove_image(identity)
            found = await podman_storage.find_image(identity)
        if found is None:
            log.info("Image %s is removed: no workload uses it", " ".join(image.names))
        # With another name it is somebody else's by now.
        if found is None or (found.tags and not is_used):
            self._images.pop(identity, None)

    def _read(self) -> dict[str, PulledImage]:
        try:
            content = read_bounded(self._path, MAX_FILE)
            return msgspec.json.decode(content, type=dict[str, PulledImage])
        except (OSError, ValueError):
            return {}

    def _store(self) -> None:
        try:
            content = msgspec.json.encode(self._images)
            if self._read() != self._images:
                write_atomically(self._path, content)
        except OSError as error:
            log.error("%s cannot be written: %s [%s]", self._path, error, STATE_NOT_STORED)
