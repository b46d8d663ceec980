"""`flotta-configuration-api get`: print the configuration of a device."""

from __future__ import annotations

import argparse

import msgspec

from flotta.cli.device_names import read_name
from flotta.configuration_api.configurations import find_configuration
from flotta.configuration_api.database import read_once
from flotta.configuration_api.overview import format_document


def run(options: argparse.Namespace) -> str:
    """Return what was put, with its version; raises ValueError when nothing was."""
    name = read_name(options.device)
    stored = read_once(options.database, lambda connection: find_configuration(connection, name))
    if stored is None:
        raise ValueError(f"nobody has put a configuration for {name}")
    return format_document(msgspec.json.decode(stored.content), options.output)
