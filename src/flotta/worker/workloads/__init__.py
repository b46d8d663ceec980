"""Workloads: from the configuration to running pods.

`references`, `manifest`, `units`, `steps` and `state` are pure; `files` is what is on
disk; `observer` sees what runs, told by `directory_watch` and `exit_files`; `reconciler`
brings the one to the other; `retry` and `crash_loop` say when to try again.
"""
