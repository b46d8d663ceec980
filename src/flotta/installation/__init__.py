"""The control plane on Kubernetes: rendering of its objects (no I/O), installing, uninstalling."""
