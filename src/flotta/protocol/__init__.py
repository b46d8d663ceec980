"""What goes over the wire between device and control plane, and between gateway and worker. Imports nothing of ours."""
