"""The device worker: configuration, pods, data sync, heartbeats and inventory of one device.

`agent` runs the features (`features`, listed in `feature_list`): `workloads`, `data` and
`hardware`, a folder each. Adapters (`processes`, `podman`, `systemd`, `gateway_client`) alone talk
to what is outside. State is in one directory of the worker's own. Rules: docs/reference/device.md.
"""
