"""Controllers inside the engine, in place of Kubernetes' kube-controller-manager."""
