"""`flotta-configuration-api put`: store the configuration of a device."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from flotta.cli.device_names import read_name
from flotta.configuration_api.configuration_file import MAX_BYTES, parse_configuration
from flotta.configuration_api.configurations import put_configuration
from flotta.configuration_api.database import write_once
from flotta.configuration_api.records import find_device
from flotta.durable_files import read_bounded
from flotta.protocol.configuration_api import Status

STANDARD_INPUT = "-"


def run(options: argparse.Namespace) -> str:
    """Check and store a file; raises ValueError with everything that is wrong in it."""
    name = read_name(options.device)
    is_json = options.file.endswith(".json")
    message = parse_configuration(_read(options.file), name.device_id, is_json=is_json)
    changed, device = write_once(
        options.database,
        lambda found: (put_configuration(found, name, message), find_device(found, name)),
    )
    if not changed:
        return f"{name} has this configuration already."
    if device is None or device.status is not Status.REGISTERED:
        return f"{name}: the configuration is stored; the device gets it when it has registered."
    return f"{name}: the configuration is stored; the device gets it now or when it is online."


def _read(file: str) -> bytes:
    if file == STANDARD_INPUT:
        data = sys.stdin.buffer.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ValueError(f"the standard input is larger than {MAX_BYTES} bytes")
        return data
    try:
        return read_bounded(Path(file), MAX_BYTES)
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}") from error
