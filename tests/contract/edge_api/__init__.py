"""The contract of the device API: what agents of v0.2 rely on, at a control plane of ours."""
