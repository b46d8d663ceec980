"""The fleet's certificates and keys in a directory, for an Edge API without a resource API.

`Files` in `stores` is what a backend needs; `directory` reads and writes without a loop. Rules are
in docs/reference/control-plane.md#certificates-in-a-directory.
"""
