"""The volumes of pods: prepared before each start, measured, and removed.

A pod starts without the worker, so what must be done before each start is written down as a plan
(`plan`), and the unit of the pod carries it out (`__main__`), before podman.
"""
