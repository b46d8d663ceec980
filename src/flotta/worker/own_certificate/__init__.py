"""Key and certificate of the device, where the gateway leaves both to its workers.

The gateway of flotta.edge does not, and then nothing of this is loaded
(docs/reference/device.md#other-gateways).
"""
