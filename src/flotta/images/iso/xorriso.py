"""Runs of xorriso: new files in an ISO, and small ISOs.

xorriso may end with status 0 after it wrote something else than asked for, so callers check the
input before and the output after. It writes to a descriptor that has no name yet.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from flotta.images.errors import ImageError
from flotta.protocol.reasons.images import TOOL_FAILED, TOOL_MISSING

PROGRAM = "xorriso"
DEADLINE = 1800.0  # seconds, for an ISO of several gigabytes on a slow disk
SHOWN = 500  # characters of what it said
# Lower thresholds fail on notes about the volume ids of Fedora, higher ones on nothing.
SEVERITY = ("-report_about", "WARNING", "-abort_on", "FAILURE", "-return_with", "SORRY", "32")
OVERLAP = "overlap"  # of partitions, in an ISO with HFS+ (grub-mkrescue)


def require_xorriso() -> None:
    """Raise ImageError where it is not installed."""
    if shutil.which(PROGRAM) is None:
        raise ImageError(
            TOOL_MISSING,
            "xorriso is needed and not installed. Install it: apt-get install xorriso, or dnf "
            "install xorriso.",
        )


def add_files(
    base: int, output: int, files: Mapping[str, Path], folders: Iterable[str], epoch: int
) -> None:
    """Write a copy of an ISO with these files in it, by path in the ISO; it boots as before.

    `base` and `output` are descriptors of files, `folders` the directories that the ISO does not
    have yet. Raises ImageError when xorriso fails.
    """
    mapped = [word for path, source in sorted(files.items()) for word in _map(path, source, epoch)]
    mapped += [word for path in sorted(folders) for word in _own(path, "0755", epoch)]
    command = [
        *_start(),
        *("-indev", f"stdio:/proc/self/fd/{base}", "-outdev", f"stdio:/proc/self/fd/{output}"),
        *mapped,
        *("-boot_image", "any", "replay"),
    ]
    failure = _run(command, (base, output), epoch)
    if failure and OVERLAP in failure:
        os.ftruncate(output, 0)
        failure = _run([*command, "-hfsplus", "off"], (base, output), epoch)
    _require(not failure, failure)


def make_iso(output: int, volume_id: str, files: Mapping[str, Path], epoch: int) -> None:
    """Write a new ISO that does not boot, with these files."""
    mapped = [word for path, source in sorted(files.items()) for word in _map(path, source, epoch)]
    destination = ("-outdev", f"stdio:/proc/self/fd/{output}", "-volid", volume_id)
    everything = ("-alter_date_r", "b-c", f"={epoch}", "/", "--")
    failure = _run([*_start(), *destination, *mapped, *everything], (output,), epoch)
    _require(not failure, failure)


def _start() -> Sequence[str]:
    require_xorriso()
    return (*_dying_with_parent(), PROGRAM, "-no_rc", "-stdio_sync", "off", *SEVERITY)


def _dying_with_parent() -> Sequence[str]:
    """Return the words that let a program be killed when this one is, where util-linux is."""
    setpriv = shutil.which("setpriv")
    return (setpriv, "--pdeathsig=KILL") if setpriv else ()


def _map(path: str, source: Path, epoch: int) -> Sequence[str]:
    """Return the words that put a file into the ISO."""
    return "-map", str(source), path, *_own(path, "0444", epoch)


def _own(path: str, mode: str, epoch: int) -> Sequence[str]:
    """Return the words that give root a file or directory, with one time everywhere."""
    owner = ("-chown", "0", path, "--", "-chgrp", "0", path, "--", "-chmod", mode, path, "--")
    return *owner, "-alter_date", "b-c", f"={epoch}", path, "--"


def _run(command: Sequence[str], handles: Sequence[int], epoch: int) -> str:
    """Run xorriso and return what it said of its failure, "" if there was none."""
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch), "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            command,
            pass_fds=tuple(handles),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=DEADLINE,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it did not end within {DEADLINE:g} s"
    said = (done.stderr + done.stdout).decode(errors="replace").strip()
    return f"status {done.returncode}: {said[-SHOWN:]}" if done.returncode else ""


def _require(succeeded: bool, failure: str) -> None:
    if not succeeded:
        raise ImageError(TOOL_FAILED, f"xorriso failed: {failure}. Nothing was left behind.")
