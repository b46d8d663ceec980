"""`flotta-configuration-api forget`: remove what is on record about a device."""

from __future__ import annotations

import argparse

from flotta.cli.device_names import read_name
from flotta.configuration_api.database import write_once
from flotta.configuration_api.errors import ApiError
from flotta.configuration_api.leaving import forget


def run(options: argparse.Namespace) -> str:
    """Forget a device; raises ValueError for one that is not on record, or still has to go."""
    name = read_name(options.device)
    try:
        write_once(
            options.database,
            lambda found: forget(
                found,
                name,
                keep_configuration=options.keep_configuration,
                force=options.force,
            ),
        )
    except ApiError as error:
        raise ValueError(str(error)) from error
    return f"{name} is forgotten. If the device still runs, it keeps running what it has."
