"""The step of the preparation that gives the device its id."""

from __future__ import annotations

from pathlib import Path

from flotta.durable_files import read_bounded, write_atomically
from flotta.live.boot_report import Warnings
from flotta.live.device_id import (
    DeviceID,
    Source,
    choose_device_id,
    identify_hardware,
)
from flotta.live.hardware import Hardware, read_hardware
from flotta.live.places import Places
from flotta.protocol.reasons.live import (
    DEVICE_ID_DAMAGED,
    DEVICE_ID_DIFFERS,
    DEVICE_ID_NOT_STORED,
    DEVICE_ID_RANDOM,
    HARDWARE_DIFFERS,
)

MAX_SIZE = 256  # bytes of a file


def name_device(places: Places, given: str, stored: bool, warnings: Warnings) -> DeviceID:
    """Return the id of the device; `stored` says whether there is state, which then keeps it."""
    hardware = read_hardware(places.root)
    kept = _read(places.device_id) if stored else None
    chosen = choose_device_id(kept or "", given, hardware)
    if chosen.source is Source.RANDOM:
        warnings.add(DEVICE_ID_RANDOM, "The firmware says nothing that could name this machine.")
    if chosen.source is Source.STORED and given not in ("", chosen.text):
        text = f"The medium says {given}, and the state of this device {chosen.text}."
        warnings.add(DEVICE_ID_DIFFERS, text)
    if kept is not None and chosen.source is not Source.STORED:
        text = f"The id in the state cannot be read. The device is now {chosen.text}."
        warnings.add(DEVICE_ID_DAMAGED, text)
    if stored and chosen.source is not Source.STORED:
        _store(places.device_id, chosen.text, warnings)
    if stored:
        _compare_hardware(places, hardware, warnings)
    return chosen


def _compare_hardware(places: Places, hardware: Hardware, warnings: Warnings) -> None:
    """Warn when the state was made on another machine: a copy has the same id and key."""
    found, kept = identify_hardware(hardware), (_read(places.hardware_id) or "").strip()
    if found and kept and found != kept:
        text = f"This machine is {found}, and the state was made on {kept}."
        warnings.add(HARDWARE_DIFFERS, text)
    if found and not kept:
        _store(places.hardware_id, found, warnings)


def _read(path: Path) -> str | None:
    """Return the text of a file; None where there is no file."""
    try:
        return read_bounded(path, MAX_SIZE).decode("utf-8", "replace")
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return ""


def _store(path: Path, text: str, warnings: Warnings) -> None:
    try:
        write_atomically(path, f"{text}\n".encode())
    except OSError as error:
        message = f"/state/{path.name} could not be written: {error.strerror}."
        warnings.add(DEVICE_ID_NOT_STORED, message)
