"""Objects on disk (SQLite) and in memory, and the changes that watches read.

Rules: docs/reference/resource-api.md#storage-and-durability.
"""
