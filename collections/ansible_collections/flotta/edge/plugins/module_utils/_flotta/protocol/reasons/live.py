# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/protocol/reasons/live.py: change that.
"""Warnings of a device that runs from our ISO: on its console and in the log of `flotta-live`."""

from __future__ import annotations

from ...protocol.reasons.reason import Log, Rows

LIVE = Log("flotta-live")
LOST = (
    " What the device writes is in memory: identity, pods, images and files that are not "
    "synchronised yet are lost at each boot."
)

STATE = Rows()
STATE_READ_ONLY = STATE.add(
    "StateReadOnly",
    LIVE,
    f"The boot medium, or the disk for the state, cannot be written: a CD, or a write lock.{LOST}",
    "Use a stick without a write lock, or name a state disk when the ISO is personalised.",
)
STATE_TOO_SMALL = STATE.add(
    "StateTooSmall",
    LIVE,
    f"The boot medium, or the disk for the state, is too small.{LOST}",
    "Use a stick of 2 GB or more. The message says how much is needed.",
)
STATE_PLACE_TAKEN = STATE.add(
    "StatePlaceTaken",
    LIVE,
    "Behind the ISO on the boot medium is a partition, or a file system of something else. It is "
    f"left alone.{LOST}",
    "If you do not need what is there, erase the stick with `wipefs --all /dev/sdX` and "
    "`dd if=/dev/zero of=/dev/sdX bs=1M count=3072`, and write the ISO to it again.",
)
STATE_UNSUITABLE = STATE.add(
    "StateUnsuitable",
    LIVE,
    "The boot medium cannot hold the state: it is not a whole disk with the ISO at its beginning "
    f"and a partition table that is whole. Tools that copy files to a stick make such media.{LOST}",
    "Write the ISO to the stick as it is (`dd`, or the image mode of the tool).",
)
STATE_MEDIUM_IN_DOUBT = STATE.add(
    "StateMediumInDoubt",
    LIVE,
    "Several sticks or CDs in the machine have the same base and the same settings, or none has "
    "the settings with which the kernel was started. So it is not known which one the machine has "
    f"booted from, and none of them is written to.{LOST}",
    "Leave only one of them in the machine, and start it again.",
)
STATE_DAMAGED = STATE.add(
    "StateDamaged",
    LIVE,
    "The file system of the state is damaged, or something else is there besides. It is never made "
    f"again over what is left.{LOST}",
    "Repair it on another machine with `e2fsck`. If that fails, [forget the "
    "state](images.md#forget-the-state) and delete the EdgeDevice: the device joins as a new one.",
)
STATE_DISK_MISSING = STATE.add(
    "StateDiskMissing",
    LIVE,
    f"There is no disk of the name that the settings give for the state.{LOST}",
    "Connect the disk, or correct its name (`state_disk`): `ls -l /dev/disk/by-id`.",
)
STATE_DISK_TAKEN = STATE.add(
    "StateDiskTaken",
    LIVE,
    "The disk that the settings name for the state has a partition table, a file system or other "
    f"contents. It is left alone.{LOST}",
    "If you do not need what is there, make the disk an empty state: "
    "`wipefs --all /dev/sdX && mkfs.ext4 -L FLOTTA_STATE /dev/sdX`.",
)
STATE_DISK_UNSUITABLE = STATE.add(
    "StateDiskUnsuitable",
    LIVE,
    "What the settings name for the state is a partition, several disks, the boot medium, or a "
    f"disk that something else uses.{LOST}",
    "Name a whole disk that nothing else uses (`state_disk`).",
)
STATE_FAILED = STATE.add(
    "StateFailed",
    LIVE,
    f"The disk for the state could not be read or written, or a program failed.{LOST}",
    "The message says more. Try another stick or disk.",
)
STATE_INCOMPLETE = STATE.add(
    "StateIncomplete",
    LIVE,
    "The state is mounted, but a part of it could not be put at its place. What is written there "
    "is lost at the next boot.",
    "Check the free space of the disk, and start the device again.",
)

WARNINGS = Rows()
DEVICE_ID_RANDOM = WARNINGS.add(
    "DeviceIDRandom",
    LIVE,
    "The firmware names neither UUID nor serial number of the machine, so the device id is "
    "random. Without state it is another one at each boot, and takes another use of the batch.",
    "Give the device state, or name the device when the ISO is personalised (`device_id`).",
)
DEVICE_ID_NOT_STORED = WARNINGS.add(
    "DeviceIDNotStored",
    LIVE,
    "The device id, or that of the hardware, could not be written to the state. The device id may "
    "be another one at the next boot.",
    "Check the disk with the state.",
)
DEVICE_ID_DIFFERS = WARNINGS.add(
    "DeviceIDDiffers",
    LIVE,
    "The state has another device id than the boot medium says. The one in the state counts.",
    "Nothing, if the medium is used for several devices. To give the device the other name, remove "
    "`/state/device-id` on it and start it again.",
)
DEVICE_ID_DAMAGED = WARNINGS.add(
    "DeviceIDDamaged",
    LIVE,
    "The device id in the state is damaged or cannot be read. The device has the id that medium or "
    "hardware give it, and may be another device for the control plane.",
    "If the device had another id, write that to `/state/device-id` on it and start it again.",
)
HARDWARE_DIFFERS = WARNINGS.add(
    "HardwareDiffers",
    LIVE,
    "The state was made on another machine: the stick or disk was copied or moved. Copies are one "
    "device with one key, and disturb each other.",
    "If it was copied, [forget the state](images.md#forget-the-state) of the copy. If it was moved "
    "for good, remove `/state/hardware-id` on the device and start it again.",
)
NO_SETTINGS = WARNINGS.add(
    "NoSettings",
    LIVE,
    "The medium says nothing about a fleet: it is a base image that was not personalised.",
    "Boot a [personalised ISO](images.md#personalised-iso), or attach a seed beside the base.",
)
SETTINGS_DAMAGED = WARNINGS.add(
    "SettingsDamaged",
    LIVE,
    "Some of the settings on the medium cannot be read or written over the system. The message "
    "says which. The others are used.",
    "Write the ISO to the stick again.",
)
PREPARATION_FAILED = WARNINGS.add(
    "PreparationFailed",
    LIVE,
    "A step of the preparation before the system starts failed. The system starts all the same.",
    "The message and the kernel log say more (`dmesg`). Start the machine again.",
)

SECTIONS = STATE, WARNINGS
