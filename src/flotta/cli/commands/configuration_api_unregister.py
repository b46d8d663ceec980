"""`flotta-configuration-api unregister`: record the wish that a device goes."""

from __future__ import annotations

import argparse

from flotta.cli.device_names import read_name
from flotta.configuration_api.database import write_once
from flotta.configuration_api.errors import ApiError
from flotta.configuration_api.leaving import is_to_go, unregister


def run(options: argparse.Namespace) -> str:
    """Record the wish; raises ValueError for a device that is not registered."""
    name = read_name(options.device)
    try:
        device = write_once(
            options.database, lambda found: unregister(found, name, unknown=options.unknown)
        )
    except ApiError as error:
        raise ValueError(str(error)) from error
    if not is_to_go(device):
        return f"{name} is gone since {device.disconnected_at}."
    return f"{name} is to go: it removes its workloads and their data when it hears of it."
