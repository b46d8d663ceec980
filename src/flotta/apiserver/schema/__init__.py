"""Structural schemas of CRDs, compiled and applied, and their OpenAPI documents."""
