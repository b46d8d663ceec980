"""What a device is called, and what cannot be a name."""

from __future__ import annotations

from typing import NamedTuple

from flotta.configuration_api.errors import ApiError
from flotta.dns1123 import is_label
from flotta.identity.peers import MAX_DEVICE_ID, is_device_id


class Name(NamedTuple):
    """A device: its id is its own within the namespace."""

    namespace: str
    device_id: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.device_id}"


def check_name(name: Name) -> None:
    """Raise ApiError 400 for what cannot name a namespace or a device."""
    if not is_label(name.namespace):
        raise ApiError(
            400, "the namespace must be a DNS label: lower-case letters, digits and hyphens"
        )
    if not is_device_id(name.device_id):
        raise ApiError(
            400,
            f"the device id must be at most {MAX_DEVICE_ID} lower-case letters, digits, hyphens "
            "and dots, and begin and end with a letter or digit",
        )
