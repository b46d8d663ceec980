"""The gate of every server of ours: who may connect, how many at once, and for how long.

The rules and their numbers are in docs/reference/control-plane.md#connections.
"""
