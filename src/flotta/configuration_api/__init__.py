"""The Edge Configuration API: the reference data store behind an Edge API, on SQLite.

The wire is `flotta.protocol.configuration_api`; docs/reference/configuration-api.md has the rules.
"""
