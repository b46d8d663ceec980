"""The gateway of a device: owns identity and network, relays between Edge API and workers.

Described in docs/reference/device.md#gateway.
"""
