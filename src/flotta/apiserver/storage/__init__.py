"""Objects on disk (SQLite) and in memory, and the changes that watches read."""
