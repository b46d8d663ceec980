"""Bootable images of devices: build the base, put a registration certificate into it."""
