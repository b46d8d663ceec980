"""`flotta-configuration-api backup`: write a copy of the database."""

from __future__ import annotations

import argparse

from flotta.configuration_api.backup import back_up


def run(options: argparse.Namespace) -> str:
    """Write the copy; raises ValueError (DatabaseError is one) when that is not possible."""
    back_up(options.database, options.file)
    return f"{options.file} is a copy of {options.database}, with all Secrets: keep it as a key."
