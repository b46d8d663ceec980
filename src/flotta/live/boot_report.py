"""What the preparation of a boot found and did: `boot.json`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from flotta.durable_files import read_bounded, write_atomically
from flotta.protocol.json_text import decode_json
from flotta.protocol.reasons.reason import Code, with_code

log = logging.getLogger(__name__)

FORMAT = 1
MAX_SIZE = 64 * 1024  # bytes
MAX_WARNINGS, MAX_MESSAGE = 64, 600  # characters; a screen shows fewer
MODE = 0o644  # it has no secrets
Text = Annotated[str, Meta(max_length=4096)]


class Warned(msgspec.Struct, frozen=True):
    """Something that a person should know, and whose code says what to do."""

    reason: Text
    message: Text


class StateReport(msgspec.Struct, frozen=True):
    """Where the device keeps what it writes; `Overlay` is in memory."""

    kind: Literal["Partition", "Disk", "Overlay"]
    device: Text = ""
    reason: Text = ""  # why it is in memory
    message: Text = ""
    present: bool = False  # whether there is a state that could not be used


class BootReport(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one preparation."""

    format: int = FORMAT
    device_id: Text = msgspec.field(name="deviceID", default="")
    device_id_source: Text = msgspec.field(name="deviceIDSource", default="")
    state: StateReport = StateReport("Overlay")
    server: Text = ""
    batch: Text = ""
    medium: Text = ""
    settings: bool = False  # whether the medium has any for this device
    warnings: Annotated[Sequence[Warned], Meta(max_length=MAX_WARNINGS)] = ()


class Warnings:
    """Collects the warnings of a boot, and logs each."""

    def __init__(self) -> None:
        self.found: list[Warned] = []

    def add(self, reason: Code, message: str) -> None:
        """Note a warning; `message` is one sentence."""
        log.warning("%s", with_code(message, reason))
        self.found.append(Warned(reason, message[:MAX_MESSAGE]))


def write_report(path: Path, report: BootReport) -> None:
    """Write the report for the console, with as many of its warnings as it may have."""
    path.parent.mkdir(parents=True, exist_ok=True)
    warnings = report.warnings[:MAX_WARNINGS]
    while len(content := msgspec.json.encode(replace(report, warnings=warnings))) > MAX_SIZE:
        warnings = warnings[:-1]
    write_atomically(path, content, MODE)


def read_report(path: Path) -> BootReport | None:
    """Return the report; None where there is none that can be read."""
    try:
        return decode_json(read_bounded(path, MAX_SIZE), BootReport)
    except (OSError, ValueError):
        return None
