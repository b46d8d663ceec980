"""The id of a device that nobody named by hand (docs/reference/images.md#device-id).

In this order: the id that the state keeps, the payload's, the hardware's, a random one. Two boots
without state must give one id wherever the hardware allows it: each new id takes a use of the
batch and leaves a device behind that never comes back.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from flotta.dns1123 import MAX_LABEL, is_subdomain
from flotta.live.hardware import Hardware, Serial
from flotta.live.placeholders import (
    is_placeholder_serial,
    is_placeholder_uuid,
    is_placeholder_vendor,
)

MAX_ID = 64  # characters: the id is the common name of a certificate (RFC 5280, ub-common-name)
RESERVED = "register"  # the common name of registration certificates
MAX_VENDOR = 16  # characters
MAX_NUMBER = 36  # characters; longer serial numbers end with a digest
DIGEST = 8  # hex digits of it
RANDOM = 8  # bytes


class Source(StrEnum):
    """Where a device id comes from."""

    STORED = "Stored"
    PAYLOAD = "Payload"
    PRODUCT_UUID = "ProductUUID"
    SERIAL = "Serial"
    RANDOM = "Random"


@dataclass(frozen=True)
class DeviceID:
    """An id and where it comes from."""

    text: str
    source: Source

    @property
    def hostname(self) -> str:
        """The id as one name of a host, of at most 63 characters (hostname(7))."""
        return self.text[:MAX_LABEL].rstrip("-.")


def is_device_id(text: str) -> bool:
    """Tell whether a text can be a device id: a DNS-1123 subdomain of at most 64 characters."""
    return len(text) <= MAX_ID and is_subdomain(text) and text != RESERVED


def choose_device_id(stored: str, given: str, hardware: Hardware) -> DeviceID:
    """Return the first usable id of state, payload and hardware, else a random one.

    `stored` and `given` are empty where there is none; what cannot be an id is passed over.
    """
    return next(_list_candidates(stored, given, hardware))


def identify_hardware(hardware: Hardware) -> str:
    """Return the id that the hardware gives; empty where it says nothing."""
    chosen = choose_device_id("", "", hardware)
    return "" if chosen.source is Source.RANDOM else chosen.text


def _list_candidates(stored: str, given: str, hardware: Hardware) -> Iterator[DeviceID]:
    for text, source in ((stored, Source.STORED), (given, Source.PAYLOAD)):
        if is_device_id(text.strip().lower()):
            yield DeviceID(text.strip().lower(), source)
    number = _read_uuid(hardware.uuid)
    if number is not None and not is_placeholder_uuid(number):
        yield DeviceID(str(number), Source.PRODUCT_UUID)
    for serial in hardware.serials:
        if not is_placeholder_serial(serial.number):
            yield DeviceID(name_of(serial), Source.SERIAL)
    yield DeviceID(f"device-{secrets.token_hex(RANDOM)}", Source.RANDOM)


def name_of(serial: Serial) -> str:
    """Return `<vendor>-<number>` as an id; the vendor is its first word.

    A number that is long or has letters that an id cannot have ends with a digest of all of it, so
    that two numbers never become one id.
    """
    number = _slug(serial.number)
    if len(number) > MAX_NUMBER or number != serial.number.strip().lower():
        digest = hashlib.sha256(serial.number.encode()).hexdigest()[:DIGEST]
        number = f"{number[:MAX_NUMBER].rstrip('-')}-{digest}".lstrip("-")
    vendor = "" if is_placeholder_vendor(serial.vendor) else _slug(serial.vendor)
    vendor = vendor.partition("-")[0][:MAX_VENDOR]
    return f"{vendor or 'serial'}-{number}"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _read_uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
