"""What the unit of a pod does besides podman: addresses, init containers, hooks.

A pod starts and stops without the worker. So what is to be done is written down as a plan (`plan`)
beside the manifest, and the unit runs the stages of `__main__`.
"""
