"""The inventory in registrations, and in heartbeats as `heartbeat.hardware_profile` asks."""

from __future__ import annotations

import asyncio
import hashlib

from flotta.protocol.envelope import encode
from flotta.protocol.models import (
    DeviceConfigurationMessage,
    HardwareProfileConfiguration,
    Heartbeat,
    RegistrationInfo,
)
from flotta.worker.features import Feature
from flotta.worker.hardware.inventory import Inventory


class HardwareFeature(Feature):
    """Reports the hardware of the device.

    A wipe does not reset what was sent last: the registration that follows carries the inventory
    anyway.
    """

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._profile = HardwareProfileConfiguration()
        self._reported = ""  # digest of the inventory in the heartbeat that is in flight
        self._accepted = ""  # digest of the inventory that the control plane has
        self._owed = False  # whether the inventory is reported whatever the profile says

    def configure(self, message: DeviceConfigurationMessage) -> None:
        """Take the hardware profile."""
        section = message.configuration.heartbeat if message.configuration else None
        self._profile = section.hardware_profile if section else HardwareProfileConfiguration()

    async def describe(self, registration: RegistrationInfo) -> None:
        """Add the inventory."""
        registration.hardware = await asyncio.to_thread(self._inventory.read)

    async def report(self, heartbeat: Heartbeat) -> None:
        """Add the inventory if the profile asks for it; with scope delta only after a change."""
        if not self._profile.include and not self._owed:
            return
        hardware = await asyncio.to_thread(self._inventory.read)
        self._reported = hashlib.sha256(encode(hardware)).hexdigest()
        if self._owed or self._profile.scope != "delta" or self._reported != self._accepted:
            heartbeat.hardware = hardware

    def acknowledge(self, heartbeat: Heartbeat) -> None:
        """Remember the inventory that the control plane has now."""
        if heartbeat.hardware is not None:
            self._accepted = self._reported
            self._owed = False

    def report_fully(self) -> None:
        """Report the inventory in the next heartbeats, until one of them is accepted."""
        self._owed = True

    async def wipe(self) -> None:
        """Forget the profile."""
        self._profile = HardwareProfileConfiguration()
