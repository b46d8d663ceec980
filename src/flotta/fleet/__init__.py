"""Pure rules of the fleet: what runs where, and what a report changes. No I/O.

The rules are described in docs/reference/control-plane.md.
"""
