"""The live system of a device: what runs on a device that boots from our ISO."""
