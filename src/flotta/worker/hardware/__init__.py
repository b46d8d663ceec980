"""The hardware of this device, read from /proc, /sys and /dev without starting a process.

Each module reads one part below a root directory, so that tests can substitute another device. What
is read and what is left out: docs/reference/device.md#hardware-inventory.
"""

from flotta.worker.hardware.inventory import Inventory

__all__ = ["Inventory"]
