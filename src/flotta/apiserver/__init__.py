"""The embedded resource API: Kubernetes' REST semantics for the few kinds Flotta needs."""
