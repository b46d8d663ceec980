"""inotify as a hint that nothing below an export directory changed; only a full walk is certain.

Watches are set through descriptors (/proc/self/fd), so no path is resolved.
"""

from __future__ import annotations

from flotta import inotify

MASK = (
    inotify.MODIFY
    | inotify.ATTRIB
    | inotify.CLOSE_WRITE
    | inotify.MOVED_FROM
    | inotify.MOVED_TO
    | inotify.CREATE
    | inotify.DELETE
    | inotify.DELETE_SELF
    | inotify.MOVE_SELF
    | inotify.ONLYDIR
)


class TreeWatch:
    """Watches directories of several workloads and reports which of them changed.

    Where the kernel's limits of instances or watches leave a directory unwatched, `is_complete` is
    False and its workload must be walked in full.
    """

    def __init__(self) -> None:
        self._inotify = _open_inotify()
        self._workloads: dict[int, str] = {}  # by watch number
        self._incomplete: set[str] = set()

    def restart_workload(self, workload: str) -> None:
        """Start adding the directories of a workload again."""
        self._incomplete.discard(workload)
        if self._inotify is None:
            self._incomplete.add(workload)

    def add_directory(self, workload: str, directory: int) -> None:
        """Watch an open directory; call it before looking into it."""
        if self._inotify is None:
            return
        try:
            watch = self._inotify.add(f"/proc/self/fd/{directory}".encode(), MASK)
        except OSError:
            self._incomplete.add(workload)  # the limit of watches is reached
        else:
            self._workloads[watch] = workload

    def is_complete(self, workload: str) -> bool:
        """Tell whether every directory added since `restart_workload` is watched."""
        return workload not in self._incomplete

    def read_changed_workloads(self) -> set[str]:
        """Return the workloads in which something happened since the last call."""
        changed: set[str] = set()
        for event in self._inotify.read() if self._inotify else ():
            if event.overflow:
                changed.update(self._workloads.values())
            elif event.watch in self._workloads:
                changed.add(self._workloads[event.watch])
            if event.watch_ended:
                self._workloads.pop(event.watch, None)
        return changed


def _open_inotify() -> inotify.Inotify | None:
    """Return None when the limit of inotify instances is reached."""
    try:
        return inotify.Inotify()
    except OSError:
        return None
