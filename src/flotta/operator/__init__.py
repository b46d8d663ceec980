"""The operator: level-triggered controllers that reconcile the fleet's resources.

`controllers` knows the kinds: what a change concerns, and what to do about it. `runtime` runs them:
a plan is made from what the caches contain, then its steps are carried out. `service` lists the
kinds. The rules are described in docs/reference/control-plane.md.
"""
