"""The contract of the resource API, the same for every engine."""
