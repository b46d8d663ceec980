"""EdgeDevice: what a device is to run and its bucket while it stays, and how it leaves."""
