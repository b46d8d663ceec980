"""Structural schemas of CRDs, compiled and applied, and what OpenAPI says of them."""
