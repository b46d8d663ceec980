"""A device as it is, in a container with systemd and podman, and what processes in its pods see."""
