"""What goes over the wire between device and control plane, and between gateway and worker.

Imports no other package of ours.
"""
