"""The resource API: CRDs, RBAC roles, kinds and types, the client and the list+watch cache."""
