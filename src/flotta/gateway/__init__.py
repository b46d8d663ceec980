"""The device's gateway: owns identity and network, relays between Edge API and workers."""
