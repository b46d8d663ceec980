"""`flotta image show`: what an ISO is and carries, without secrets."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping

import msgspec

from flotta.images.personalise.show import Shown, show
from flotta.payload.manifest import Manifest
from flotta.printable_text import printable


def run(options: argparse.Namespace) -> str:
    """Return text or JSON. Raises ValueError with a sentence."""
    shown = show(options.iso)
    if options.output == "json":
        return msgspec.json.format(msgspec.json.encode(shown), indent=2).decode()
    rows = {name: text for name, text in _rows(shown) if text}
    width = max(map(len, rows))
    return "\n".join(f"{name:{width}}  {printable(text)}" for name, text in rows.items())


def _rows(shown: Shown) -> Iterator[tuple[str, str]]:
    yield "ISO", shown.path
    yield "Size", f"{shown.size} bytes"
    yield "Volume", shown.volume_id
    yield "System", shown.kind
    if shown.base:
        base = shown.base
        yield "Base", f"{base.release} {base.suite} {base.architecture} {base.content_id[:16]}"
    yield "Boots by", ", ".join(dict.fromkeys(entry.firmware for entry in shown.boot)) or "nothing"
    yield "Settings", f"{shown.area.state} {shown.area.problem}".strip()
    if shown.manifest:
        yield from _manifest_rows(shown.manifest)
        yield "Expired", "yes" if shown.expired else "no"


def _manifest_rows(manifest: Manifest) -> Iterator[tuple[str, str]]:
    yield "Server", manifest.server
    yield "Namespace", manifest.namespace
    yield "Batch", manifest.batch
    yield "Certificate", manifest.serial_number
    yield "Valid", f"{manifest.not_before} to {manifest.not_after}"
    yield "Device id", manifest.device_id
    yield "Labels", _pairs(manifest.labels)
    yield "State disk", manifest.state_disk
    yield "Content", manifest.content_id
    yield "Files", ", ".join(file.path for file in manifest.files)


def _pairs(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(labels.items()))
