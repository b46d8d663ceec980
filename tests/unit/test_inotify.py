from __future__ import annotations

import os
from pathlib import Path

import pytest

from flotta import inotify

MASK = inotify.CREATE | inotify.DELETE | inotify.CLOSE_WRITE


def test_an_entry_that_comes_and_goes_is_told(tmp_path: Path) -> None:
    watcher = inotify.Inotify()
    watch = watcher.add(os.fsencode(tmp_path), MASK)
    (tmp_path / "file").touch()
    (tmp_path / "file").unlink()

    events = list(watcher.read())
    assert {(event.watch, event.name) for event in events} == {(watch, "file")}
    assert events[-1].removed
    assert list(watcher.read()) == []
    watcher.close()


def test_a_lost_event_is_told_as_an_overflow(tmp_path: Path) -> None:
    watcher = inotify.Inotify()
    watcher.add(os.fsencode(tmp_path), MASK)
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    for number in range(limit // 2 + 2):
        (tmp_path / str(number % 2)).unlink(missing_ok=True)
        (tmp_path / str(number % 2)).touch()

    assert any(event.overflow for event in watcher.read())
    watcher.close()


def test_what_cannot_be_watched_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="inotify_add_watch"):
        inotify.Inotify().add(os.fsencode(tmp_path / "absent"), MASK)
