"""Warnings of a device that runs from our ISO: on its console and in the log of `flotta-live`."""

from __future__ import annotations

from flotta.protocol.reasons.reason import Log, Rows

LIVE = Log("flotta-live")
WARNINGS = Rows()
DEVICE_ID_RANDOM = WARNINGS.add(
    "DeviceIDRandom",
    LIVE,
    "The firmware names neither UUID nor serial number of the machine, so the device id is "
    "random. Without state it is another one at each boot, and takes another use of the batch.",
    "Give the device state, or name the device when the ISO is personalised (`deviceID`).",
)
DEVICE_ID_DIFFERS = WARNINGS.add(
    "DeviceIDDiffers",
    LIVE,
    "The state has another device id than the boot medium says. The one in the state counts.",
    "Nothing, if the medium is used for several devices. To give the device the other name, remove "
    "`/state/device-id` on it and start it again.",
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

SECTIONS = (WARNINGS,)
