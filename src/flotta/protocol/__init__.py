"""The wire protocol between device and control plane, and between gateway and worker.

Described in docs/reference/wire-protocol.md. The package imports no other package of flotta.
"""
