"""What is on a disk already, as blkid(8) and wipefs(8) tell it.

Both look for the signatures of file systems, RAID, LVM, encryption and partition tables. Nothing is
formatted where either finds one; a program that fails counts as one that found something.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from flotta.live.state.block_device import BlockDevice
from flotta.live.state.commands import run
from flotta.live.state.errors import NoState
from flotta.live.state.loops import readable_part
from flotta.protocol.reasons.live import STATE_FAILED

NOTHING, AMBIVALENT = 2, 8  # exit codes of blkid -p: no signature; several that contradict
EXT_MAGIC = b"\x53\xef"
EXT_SUPERBLOCK, EXT_MAGIC_AT, EXT_LABEL_AT, EXT_LABEL = 1024, 56, 120, 16  # bytes


class Signature(NamedTuple):
    """A signature, and its offset in bytes from the start of what was looked at."""

    kind: str
    offset: int


class _Found(msgspec.Struct):
    offset: str
    type: str


class _Signatures(msgspec.Struct):
    signatures: Sequence[_Found]


def list_signatures(device: BlockDevice, offset: int = 0, length: int = 0) -> list[Signature]:
    """Return every signature that wipefs finds on a part of a device; without length, on all of it.

    Unlike blkid it names all of them, also where one hides another. Raises NoState.
    """
    with readable_part(device, offset, length or device.size) as path:
        text = run("wipefs", "--no-act", "--json", str(path)).stdout
    try:
        found = msgspec.json.decode(text, type=_Signatures).signatures if text.strip() else ()
        return [Signature(one.type, int(one.offset, 16)) for one in found]
    except ValueError as error:
        raise NoState(STATE_FAILED, f"The answer of wipefs cannot be read: {error}.") from error


def probe(device: BlockDevice, offset: int, length: int) -> str:
    """Return what blkid takes a part of the device for; empty when it finds nothing.

    Raises NoState when blkid fails.
    """
    done = run(
        "blkid",
        "--probe",
        f"--offset={offset}",
        f"--size={length}",
        "--output=export",
        str(device.path),
        accept=(0, NOTHING, AMBIVALENT),
    )
    if done.returncode == NOTHING:
        return ""
    values = dict(line.partition("=")[::2] for line in done.stdout.splitlines())
    return values.get("TYPE") or values.get("PTTYPE") or "several things"


def ext_label(device: BlockDevice, offset: int) -> str | None:
    """Return the label of an ext2/3/4 file system at an offset; None where there is none."""
    if not has_ext_magic(device, offset + EXT_SUPERBLOCK):
        return None
    label = device.read(offset + EXT_SUPERBLOCK + EXT_LABEL_AT, EXT_LABEL)
    return label.partition(b"\0")[0].decode("ascii", "replace")


def has_ext_magic(device: BlockDevice, offset: int) -> bool:
    """Tell whether a superblock of ext2/3/4, or a backup of one, is at an offset."""
    return device.read(offset + EXT_MAGIC_AT, len(EXT_MAGIC)) == EXT_MAGIC
