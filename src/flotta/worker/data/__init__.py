"""Data synchronisation: from a configuration to the engine in `flotta.sync`."""
