"""The core kinds that Flotta needs, with the rules that Kubernetes compiles into its server."""
