"""Tells which secrets of a directory changed.

Our own programs exchange a secret's directory, which inotify(7) reports at once. What somebody
edits in place is found by looking at all files now and then, as is everything where there is no
inotify instance left.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping

from flotta.edge_api.backends.backend import BackendError
from flotta.edge_api.backends.files.directory import SecretDirectory, Signature
from flotta.edge_api.backends.files.worker import Worker
from flotta.inotify import CREATE, DELETE, DELETE_SELF, MOVED_FROM, MOVED_TO, Inotify

INTERVAL = 5.0  # seconds between two looks, at least
LOOK_PART = 20  # the interval is at least so many times as long as a look takes
SETTLING = 0.05  # seconds; one write makes several events
MASK = CREATE | DELETE | DELETE_SELF | MOVED_FROM | MOVED_TO
log = logging.getLogger(__name__)


class Watch:
    """Calls its subscribers with the name of each secret that changed, while it runs."""

    def __init__(self, directory: SecretDirectory, worker: Worker) -> None:
        self._directory = directory
        self._worker = worker
        self._subscribers: list[Callable[[str], None]] = []
        self._known: Mapping[str, Signature] = {}
        self._event = asyncio.Event()
        self._failed = False
        self._duration = 0.0  # seconds that the last look took

    def subscribe(self, changed: Callable[[str], None]) -> None:
        """Call `changed(name)` in the loop when a secret was created, changed or removed."""
        self._subscribers.append(changed)

    async def run(self) -> None:
        """Look until cancelled."""
        with contextlib.suppress(BackendError):  # whoever reads or writes says it
            await self._worker.do(self._directory.prepare)
        with self._notified():
            await self._look(telling=False)
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(INTERVAL, LOOK_PART * self._duration)):
                        await self._event.wait()
                    await asyncio.sleep(SETTLING)
                self._event.clear()
                await self._look(telling=True)

    async def _look(self, *, telling: bool) -> None:
        begin = time.monotonic()
        try:
            found = await self._worker.do(self._directory.sign)
        except BackendError as error:
            if not self._failed:
                log.warning("Changes of certificates cannot be seen: %s", error)
            self._failed = True
            return
        self._failed, self._duration = False, time.monotonic() - begin
        known, self._known = self._known, found
        if telling:
            self._tell(
                sorted(name for name in {*known, *found} if known.get(name) != found.get(name))
            )

    def _tell(self, names: list[str]) -> None:
        for name in names:
            for changed in self._subscribers:
                changed(name)

    @contextlib.contextmanager
    def _notified(self) -> Iterator[None]:
        """Set the event for each change of the directory, as far as the system can tell."""
        with contextlib.ExitStack() as stack:
            try:
                inotify = Inotify()
                stack.callback(inotify.close)
                inotify.add(bytes(self._directory.path), MASK)
            except OSError as error:
                log.info("No inotify for certificates (%s): looking at them instead", error)
                yield
                return
            loop = asyncio.get_running_loop()

            def read() -> None:
                for _ in inotify.read():
                    self._event.set()

            loop.add_reader(inotify.descriptor, read)
            stack.callback(loop.remove_reader, inotify.descriptor)
            yield
