"""The state of a live device: where it keeps what it writes (docs/reference/images.md#state)."""
