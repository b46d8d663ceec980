"""What runs controllers of any kind: queues and workers, caches, plans, leader election, probes.

Nothing here knows a kind of ours; `flotta.operator.controllers` does.
"""
