"""Every field of a PodSpec, and what becomes of it on a device: the one table of both sides."""
