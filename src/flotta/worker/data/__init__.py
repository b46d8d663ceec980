"""Data synchronisation: what a configuration asks of the engine in `flotta.sync`."""
