"""The device's gateway: owns identity and network, carries messages between Edge API and workers."""
