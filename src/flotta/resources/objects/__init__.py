"""The types of objects: what the control plane reads and writes of each kind, not all there is.

A key that no type knows fails `mypy --strict`; in an object that is written back it is left alone.
"""
