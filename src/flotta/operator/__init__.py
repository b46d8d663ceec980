"""The operator: level-triggered controllers that bring the fleet's resources in line.

`controllers` knows the kinds: what a change concerns, and what is to be done. `runtime` runs them:
what is known (from caches) goes into a plan, its steps are carried out. `service` lists the kinds.
"""
