"""What a user may set: each setting is described once, here.

`setting.py` has the types, the other modules the settings by subject, `table.py` who has which.
Programs read their environment and print their `--help` from it. The argument specs and
documentation of modules and roles are checked against it, and docs/reference/settings.md is
rendered from it (`scripts/document_settings.py`).
"""
