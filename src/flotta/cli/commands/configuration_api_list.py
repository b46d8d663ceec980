"""`flotta-configuration-api list`: the devices, one on each line."""

from __future__ import annotations

import argparse

from flotta.configuration_api.database import read_once
from flotta.configuration_api.overview import format_document, format_table, list_devices


def run(options: argparse.Namespace) -> str:
    """Return the table or the document of all devices."""
    devices = read_once(options.database, list_devices)
    if options.output == "table":
        return format_table(devices)
    return format_document([device.document() for device in devices], options.output)
