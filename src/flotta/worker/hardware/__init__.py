"""What this device is made of, read from /proc, /sys and /dev without starting a process.

Each module reads one part below a root directory, so that tests can show it another device.
"""

from flotta.worker.hardware.inventory import Inventory

__all__ = ["Inventory"]
