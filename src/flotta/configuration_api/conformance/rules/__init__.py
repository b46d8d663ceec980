"""The rules, by their subject; `catalogue` has them in order."""
