"""The device worker: configuration, pods, data sync, heartbeats and inventory of one device.

Adapters (`processes`, `podman`, `systemd`, `gateway_client`) know the outside world;
`workloads` and `hardware` are mostly pure; `agent` puts the parts together. State lives in
one directory of the worker's own.
"""
