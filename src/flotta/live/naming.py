"""The step of the preparation that gives the device its id."""

from __future__ import annotations

from flotta.durable_files import read_bounded, write_atomically
from flotta.live.boot_report import Warnings
from flotta.live.device_id import DeviceID, Source, choose_device_id
from flotta.live.hardware import read_hardware
from flotta.live.places import Places
from flotta.protocol.reasons.live import DEVICE_ID_DIFFERS, DEVICE_ID_NOT_STORED, DEVICE_ID_RANDOM

MAX_SIZE = 256  # bytes of the file


def name_device(places: Places, given: str, stored: bool, warnings: Warnings) -> DeviceID:
    """Return the id of the device; `stored` says whether there is state, which then keeps it."""
    kept = _read(places) if stored else ""
    chosen = choose_device_id(kept, given, read_hardware(places.root))
    if chosen.source is Source.RANDOM:
        warnings.add(DEVICE_ID_RANDOM, "The firmware says nothing that could name this machine.")
    if chosen.source is Source.STORED and given not in ("", chosen.text):
        text = f"The medium says {given}, and the state of this device {chosen.text}."
        warnings.add(DEVICE_ID_DIFFERS, text)
    if stored and chosen.source is not Source.STORED:
        _store(places, chosen, warnings)
    return chosen


def _read(places: Places) -> str:
    try:
        return read_bounded(places.device_id, MAX_SIZE).decode("utf-8", "replace")
    except OSError:
        return ""


def _store(places: Places, chosen: DeviceID, warnings: Warnings) -> None:
    try:
        write_atomically(places.device_id, f"{chosen.text}\n".encode())
    except OSError as error:
        text = f"The device id could not be written to the state: {error.strerror}."
        warnings.add(DEVICE_ID_NOT_STORED, text)
