"""Backups of the embedded control plane: one archive, written and read by `flotta-apiserver`.

What is in it, and how it is restored: docs/reference/files-and-ports.md#backup.
"""
