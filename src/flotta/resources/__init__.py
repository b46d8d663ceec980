"""The Kubernetes-style resources: CRDs, rights, the one client, and the list+watch cache."""
