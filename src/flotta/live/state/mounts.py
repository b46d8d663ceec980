"""Mounting the state, and what of the system lies in it."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from flotta.live.state.area import Area
from flotta.live.state.commands import run
from flotta.live.state.errors import NoState
from flotta.live.state.loops import attach_loop, detach_loop
from flotta.protocol.reasons.live import STATE_DAMAGED

# Each is a directory of the state, mounted where programs expect it. /etc is stacked instead: the
# base and the medium bring their own files.
KEPT = (
    "var/lib/flotta",
    "var/lib/containers",
    "var/lib/systemd",
    "var/local",
    "var/log/journal",
)
ETC = "etc"
WORK = ".etc-work"  # of the overlay, beside its upper directory
CONTAINERS = "var/lib/containers"
CONTAINERS_SIZE = "60%"  # of the memory, at most
DRIVERS = "ext4", "crc32c_generic", "crc32c_intel"
CHECKED = (0, 1, 2)  # exit codes of e2fsck -p: clean; repaired; repaired, and asks for a restart
OPAQUE = "trusted.overlay.opaque"  # hides all that is below
# Only what is safe when the base below has changed.
STACKED = "index=off,metacopy=off,redirect_dir=off,xino=off"


def attach(area: Area) -> Path:
    """Return a node that begins and ends with the area. Raises NoState.

    It is a loop device for a part of the medium: the kernel mounts no partition of a disk that is
    mounted as a whole, as the ISO is.
    """
    if not area.offset:
        return area.device.path
    try:
        return attach_loop(area.device, area.offset, area.length, "--direct-io=on")
    except NoState:
        return attach_loop(area.device, area.offset, area.length)


def detach(area: Area, node: Path) -> None:
    """Undo `attach`, at once or when the node is not mounted any more."""
    if area.offset:
        detach_loop(node)


def mount_state(node: Path, target: Path) -> None:
    """Check the file system and mount it; it is never formatted here. Raises NoState."""
    _load_drivers()
    _check(node)
    target.mkdir(mode=0o700, exist_ok=True)
    try:
        _mount(node, target)
    except NoState:
        _check(node, "-f")  # the short check believes a file system that says it is clean
        _mount(node, target)
    os.chmod(target, 0o700)


def mount_kept(root: Path, state: Path) -> None:
    """Mount every directory that is kept at its place. Raises NoState or OSError."""
    for name in KEPT:
        target, source = root / name, state / name
        target.mkdir(mode=0o755, parents=True, exist_ok=True)
        if not source.exists():
            _copy_first(target, source)
        run("mount", "--bind", str(source), str(target))


def stack_etc(root: Path, state: Path, given: Iterable[Path]) -> None:
    """Stack the `etc` of the state on that of the root.

    `given` are the files below the root that medium and boot have written: they count, and earlier
    copies in the state give way. Raises NoState or OSError.
    """
    upper, work = state / ETC, state / WORK
    for folder in (upper, work):
        folder.mkdir(mode=0o755, exist_ok=True)
    for path in given:
        if path.parts[0] == ETC:
            _give_way(state, path)
    layers = f"lowerdir={root / ETC},upperdir={upper},workdir={work}"
    run("mount", "-t", "overlay", "-o", f"{layers},{STACKED}", "overlay", str(root / ETC))


def mount_containers_in_memory(root: Path) -> None:
    """Mount a file system in memory for podman: its overlay cannot lie on an overlay."""
    target = root / CONTAINERS
    target.mkdir(mode=0o755, parents=True, exist_ok=True)
    options = f"mode=0755,size={CONTAINERS_SIZE}"
    run("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(target))


def _check(node: Path, *options: str) -> None:
    done = run("e2fsck", "-p", *options, str(node), accept=tuple(range(256)))
    if done.returncode not in CHECKED:
        said = " ".join(done.stdout.split())[-200:]
        raise NoState(STATE_DAMAGED, f"The file system of the state is damaged: {said}")


def _mount(node: Path, target: Path) -> None:
    # podman syncs nothing: with delayed allocation, files of the last half minute would be empty
    # after a power cut, and no container starts from an image that has one.
    options = "noatime,errors=remount-ro,nodelalloc"
    run("mount", "-t", "ext4", "-o", options, str(node), str(target))


def _load_drivers() -> None:
    """Load what ext4 needs: the kernel would look for modprobe(8) in the initramfs, in vain."""
    with contextlib.suppress(NoState):
        run("modprobe", "--all", "--quiet", *DRIVERS, accept=tuple(range(256)))


def _copy_first(target: Path, source: Path) -> None:
    """Make a directory of the state as the base has it, whole or not at all."""
    source.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    fresh = source.with_name(f".{source.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    run("cp", "-a", str(target), str(fresh))
    os.sync()
    os.rename(fresh, source)


def _give_way(state: Path, path: Path) -> None:
    """Remove what the upper layer has in place of a file, or of a directory above it."""
    place = state
    for name in path.parts:
        place /= name
        if place.is_symlink() or (place.exists() and not place.is_dir()):
            place.unlink()
            return
        with contextlib.suppress(OSError):  # a directory that was removed and made again
            os.removexattr(place, OPAQUE)
