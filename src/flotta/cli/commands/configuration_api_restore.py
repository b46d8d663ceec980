"""`flotta-configuration-api restore`: put a copy in place of the database."""

from __future__ import annotations

import argparse

from flotta.configuration_api.backup import restore


def run(options: argparse.Namespace) -> str:
    """Put the copy in place; raises ValueError (DatabaseError is one) while a server runs."""
    restore(options.database, options.file)
    return f"{options.database} is what {options.file} was: start the server."
