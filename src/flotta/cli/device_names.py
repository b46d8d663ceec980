"""The name of a device on the command line of `flotta-configuration-api`."""

from __future__ import annotations

from flotta.configuration_api.errors import ApiError
from flotta.configuration_api.names import Name, check_name


def read_name(text: str) -> Name:
    """Return the name in `NAMESPACE/ID`; raises ValueError with a sentence for anything else."""
    namespace, separator, device_id = text.partition("/")
    if not separator:
        raise ValueError(f"{text!r} names no device; use NAMESPACE/ID")
    name = Name(namespace, device_id)
    try:
        check_name(name)
    except ApiError as error:
        raise ValueError(f"{text!r} names no device: {error}") from error
    return name
