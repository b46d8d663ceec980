"""Controllers that are part of the engine: what Kubernetes does by kube-controller-manager."""
