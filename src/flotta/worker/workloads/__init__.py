"""Workloads: from the configuration to running pods.

`feature` puts the parts together. `references`, `manifest`, `units`, `steps` and `state` are pure,
`desired` is what a configuration asks for; `files` is what is on disk; `observer` sees what runs,
by means of `directory_watch` and `exit_files`; `reconciler` brings what runs to what is desired, by
steps that `execution` carries out; `retry` and `crash_loop` decide when to try again. Rules:
docs/reference/device.md#workloads.
"""
