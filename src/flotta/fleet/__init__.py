"""Pure rules of the fleet: what is wanted where, and what a report changes. No I/O."""
