"""The control plane on Kubernetes: render its objects (no I/O), install, uninstall."""
