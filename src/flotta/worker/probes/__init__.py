"""Probes of containers, carried out by the worker (docs/reference/device.md#probes).

podman 4.3.1 runs a program of the image for each of them, and does not restart what it has killed.
"""
