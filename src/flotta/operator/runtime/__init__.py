"""What runs controllers of any kind: queues and workers, caches, plans, leader election, probes.

Nothing here knows our kinds; `flotta.operator.controllers` does. Delays and attempts:
docs/reference/control-plane.md#reconciliation.
"""
