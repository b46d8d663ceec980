"""From settings and boot medium to a mounted state, or to the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flotta.live.boot_report import StateReport
from flotta.live.state.area import Area, Contents
from flotta.live.state.block_device import open_device
from flotta.live.state.disk import check_disk, check_empty, find_disk
from flotta.live.state.errors import NoState
from flotta.live.state.gpt import plan_writes
from flotta.live.state.medium import Place, check_free, find_place, holds_state
from flotta.live.state.mounts import attach, detach, mount_state
from flotta.protocol.reasons.live import STATE_DAMAGED, STATE_FAILED


@dataclass(frozen=True)
class Wanted:
    """What a boot has to find its state by."""

    medium: Path
    disk: str  # name in the settings; empty for a partition of the boot medium
    root: Path
    target: Path  # where it is mounted


def mount_any_state(wanted: Wanted) -> StateReport:
    """Mount the state, after making it where the rules allow that.

    Raises NoState when there is none; what was there before is as it was.
    """
    try:
        return _use_disk(wanted) if wanted.disk else _use_medium(wanted)
    except OSError as error:
        raise NoState(STATE_FAILED, f"The disk for the state cannot be used: {error}.") from error


def is_present(wanted: Wanted) -> bool:
    """Tell whether there seems to be a state, which could not be mounted; in doubt there is.

    A disk that the settings name counts always.
    """
    if wanted.disk:
        return True
    try:
        with open_device(wanted.medium) as device:
            return holds_state(device)
    except OSError:
        return True


def _use_disk(wanted: Wanted) -> StateReport:
    path = find_disk(wanted.disk, wanted.root)
    with open_device(path) as device:
        area = check_disk(device, wanted.disk, wanted.medium)
        contents = area.find_contents()
        if contents is not Contents.STATE:
            check_empty(area, contents, wanted.disk)
        _mount(area, wanted.target, contents, lambda: None)
    return StateReport("Disk", str(path))


def _use_medium(wanted: Wanted) -> StateReport:
    with open_device(wanted.medium) as device:
        place = find_place(device)
        contents = place.area.find_contents()
        if contents is Contents.OTHER and place.known:
            found = ", ".join(place.area.list_signatures()) or "no file system of ours"
            raise NoState(STATE_DAMAGED, f"The partition for the state holds {found}.")
        if contents in (Contents.EMPTY, Contents.OTHER) and not place.known:
            check_free(place)
        _mount(place.area, wanted.target, contents, lambda: _write_table(place))
    return StateReport("Partition", str(wanted.medium))


def _mount(area: Area, target: Path, contents: Contents, enter: Callable[[], None]) -> None:
    """Enter the area into the partition table, make its file system if it has none, mount it."""
    made = contents is Contents.STATE
    if not made:
        area.mark()
    enter()
    node = attach(area)
    try:
        if not made:
            area.make_file_system(node)
        if area.is_marked():
            area.unmark()
        mount_state(node, target)
    finally:
        detach(area, node)


def _write_table(place: Place) -> None:
    for write in plan_writes(place.table) if place.table else ():
        place.area.device.write(write.offset, write.content)
