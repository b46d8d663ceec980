"""The control plane on Kubernetes: what is installed, how it is brought there, and how it goes again."""
