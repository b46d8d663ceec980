"""The Kubernetes-style resources: CRDs, roles, the one client, and the list+watch cache."""
