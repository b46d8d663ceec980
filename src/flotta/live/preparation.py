"""The steps between the initramfs and systemd (docs/reference/images.md#device-id).

They run as root in a chroot of the future root, without udev, D-Bus or network. No step keeps the
machine from starting: what fails is a warning, and the next step runs.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

from flotta.durable_files import read_bounded
from flotta.live.boot_report import BootReport, Warnings, write_report
from flotta.live.device_id import DeviceID, Source, choose_device_id
from flotta.live.hardware import read_hardware
from flotta.live.names import write_client_id, write_host_name
from flotta.live.payload_files import install_files
from flotta.live.places import Places
from flotta.payload.manifest import MAX_MANIFEST, Manifest, parse_manifest
from flotta.protocol.reasons.live import (
    DEVICE_ID_DIFFERS,
    DEVICE_ID_RANDOM,
    NO_SETTINGS,
    PREPARATION_FAILED,
    SETTINGS_DAMAGED,
)

log = logging.getLogger(__name__)

MAX_ID_FILE = 256  # bytes
GATEWAY_USER = "flotta-gateway"


def prepare(places: Places, medium: str) -> BootReport:
    """Prepare the root for systemd and return what was done; `medium` is the boot device."""
    warnings = Warnings()
    manifest = _read_manifest(places, warnings)
    device_id = DeviceID("", Source.RANDOM)
    with _step(warnings, "The settings of the medium"):
        _install_payload(places, warnings)
    with _step(warnings, "The device id"):
        device_id = _name_device(places, manifest.device_id if manifest else "", warnings)
    report = BootReport(
        device_id=device_id.text,
        device_id_source=device_id.source,
        server=manifest.server if manifest else "",
        batch=manifest.batch if manifest else "",
        medium=medium,
        settings=manifest is not None,
        warnings=warnings.found,
    )
    write_report(places.report, report)
    return report


@contextlib.contextmanager
def _step(warnings: Warnings, what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # the machine must start whatever happened
        log.exception("%s could not be prepared", what)
        warnings.add(PREPARATION_FAILED, f"{what} could not be prepared: {error}.")


def _read_manifest(places: Places, warnings: Warnings) -> Manifest | None:
    path = places.payload / "manifest.json"
    try:
        return parse_manifest(read_bounded(path, MAX_MANIFEST))
    except FileNotFoundError:
        warnings.add(NO_SETTINGS, "The boot medium has no settings for a device.")
    except (OSError, ValueError) as error:
        warnings.add(SETTINGS_DAMAGED, f"The settings are not complete: {error}.")
    return None


def _install_payload(places: Places, warnings: Warnings) -> None:
    for failure in install_files(places.payload / "root", places.root):
        warnings.add(SETTINGS_DAMAGED, failure)
    _, key = places.registration
    if key.exists():
        shutil.chown(key, GATEWAY_USER)


def _name_device(places: Places, given: str, warnings: Warnings) -> DeviceID:
    stored = _read_stored(places.device_id)
    chosen = choose_device_id(stored, given, read_hardware(places.root))
    if chosen.source is Source.RANDOM:
        warnings.add(DEVICE_ID_RANDOM, "The firmware says nothing that could name this machine.")
    if chosen.source is Source.STORED and given not in ("", chosen.text):
        warnings.add(
            DEVICE_ID_DIFFERS,
            f"The medium says {given}, and the state of this device {chosen.text}.",
        )
    if places.configuration.exists():
        write_client_id(places.configuration, chosen.text)
    write_host_name(places.root, chosen)
    return chosen


def _read_stored(path: Path) -> str:
    try:
        return read_bounded(path, MAX_ID_FILE).decode("utf-8", "replace")
    except OSError:
        return ""
