"""`flotta-configuration-api show`: everything about a device, but no Secrets."""

from __future__ import annotations

import argparse

from flotta.cli.device_names import read_name
from flotta.configuration_api.database import read_once
from flotta.configuration_api.overview import describe_device, format_document


def run(options: argparse.Namespace) -> str:
    """Return the document of one device; raises ValueError for one that is not on record."""
    name = read_name(options.device)
    found = read_once(options.database, lambda connection: describe_device(connection, name))
    if found is None:
        raise ValueError(f"{name} is not on record")
    return format_document(found, options.output)
