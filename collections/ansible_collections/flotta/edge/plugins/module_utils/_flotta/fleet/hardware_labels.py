# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/fleet/hardware_labels.py: change that.
"""Labels made from what a device reports about its hardware.

Names and values: docs/reference/control-plane.md#hardware-labels.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..resources.objects.devices import Hardware

LABEL_SOURCES = {
    "device.hostname": ("hostname",),
    "device.cpu-architecture": ("cpu", "architecture"),
    "device.cpu-model": ("cpu", "modelName"),
    "device.system-manufacturer": ("systemVendor", "manufacturer"),
    "device.system-product": ("systemVendor", "productName"),
    "device.system-serial": ("systemVendor", "serialNumber"),
}
LABEL_LIMIT = 63  # characters of a Kubernetes label value


def hardware_labels(hardware: Hardware | None) -> dict[str, str]:
    """Return the labels made from `status.hardware`.

    Names and values: docs/reference/control-plane.md#hardware-labels.
    """
    found = {key: label_value(text_at(hardware, path)) for key, path in LABEL_SOURCES.items()}
    return {key: value for key, value in found.items() if value}


def label_value(text: str) -> str:
    """Return a text as a label value, "" if nothing is left.

    The value has lower-case and legal characters only, at most 63.
    """
    legal = re.sub(r"[^a-z0-9\-_.]", "", _between_letters(text.lower()))
    return legal.strip("-_.")[:LABEL_LIMIT].rstrip("-_.")


def _between_letters(text: str) -> str:
    positions = [index for index, letter in enumerate(text) if letter.isalnum()]
    return text[positions[0] : positions[-1] + 1] if positions else ""


def text_at(hardware: Hardware | None, path: tuple[str, ...]) -> str:
    """Return the text of a field of `status.hardware`, "" where it has none."""
    value: object = hardware
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else ""
