"""inotify on the event loop: notices entries that are made, changed or removed in directories."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from flotta import inotify

MASK = inotify.CLOSE_WRITE | inotify.MOVED_FROM | inotify.MOVED_TO | inotify.CREATE | inotify.DELETE


class DirectoryWatch:
    """Calls back from the running loop until closed.

    `on_entry` gets the path of an entry, and whether it was removed. `on_overflow` is called when
    events were lost: everything that is watched must be examined again.
    """

    def __init__(
        self, on_entry: Callable[[Path, bool], None], on_overflow: Callable[[], None]
    ) -> None:
        self._on_entry = on_entry
        self._on_overflow = on_overflow
        self._directories: dict[int, Path] = {}
        self._inotify: inotify.Inotify | None = None
        self.try_again()

    @property
    def is_blind(self) -> bool:
        """Whether nothing is noticed: pods that run as root share the limit of instances."""
        return self._inotify is None

    def try_again(self) -> None:
        """Begin to notice, if that was not possible before."""
        if self._inotify is None:
            with contextlib.suppress(OSError):
                self._inotify = inotify.Inotify()
                asyncio.get_running_loop().add_reader(self._inotify.descriptor, self._read_events)

    def add(self, directory: Path) -> bool:
        """Watch a directory; return whether it exists. Watching twice is harmless."""
        if self._inotify is None:
            return False
        try:
            watch = self._inotify.add(os.fsencode(directory), MASK)
        except OSError:
            return False
        self._directories[watch] = directory
        return True

    def close(self) -> None:
        """Stop watching."""
        if self._inotify is not None:
            asyncio.get_running_loop().remove_reader(self._inotify.descriptor)
            self._inotify.close()

    def _read_events(self) -> None:
        for event in self._inotify.read() if self._inotify else ():
            if event.overflow:
                self._on_overflow()
            elif event.watch_ended:
                self._directories.pop(event.watch, None)
            elif event.watch in self._directories and event.name:
                self._on_entry(self._directories[event.watch] / event.name, event.removed)
