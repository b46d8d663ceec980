"""Control plane and device agent for fleets of edge devices."""

__version__ = "0.1.0"
