"""The operator: level-triggered controllers that bring the fleet's resources in line.

Every controller is a keyed queue and a function: what is known (from caches) goes in, steps come
out, steps are executed. Planning is pure; only `execute_steps` and a few reads touch the API.
"""
