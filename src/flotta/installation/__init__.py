"""The control plane on Kubernetes: rendering its objects (no I/O), installing and uninstalling them."""
