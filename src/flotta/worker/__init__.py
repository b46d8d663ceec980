"""The device worker: configuration, pods, data sync, heartbeats and inventory of one device.

`agent` surrounds the features (`features`, listed in `feature_list`): `workloads`, `data` and
`hardware`, a folder each. Adapters (`processes`, `podman`, `systemd`, `gateway_client`) know the
outside world. State lives in one directory of the worker's own.
"""
