"""`flotta-configuration-api approve`: let a device register."""

from __future__ import annotations

import argparse

from flotta.cli.device_names import read_name
from flotta.configuration_api.database import write_once
from flotta.configuration_api.errors import ApiError
from flotta.configuration_api.joining import approve
from flotta.protocol.configuration_api import Status


def run(options: argparse.Namespace) -> str:
    """Approve a device; raises ValueError for one that did not ask, or not with this key."""
    name = read_name(options.device)
    try:
        device = write_once(options.database, lambda found: approve(found, name, options.key))
    except ApiError as error:
        raise ValueError(str(error)) from error
    if device.status is Status.REGISTERED:
        return f"{name} is registered already."
    key = device.enrolled_fingerprint
    return f"{name} may register{f' with the key {key}' if key else ', with any key'}."
