# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/fleet/self_asserted.py: change that.
"""Which `device.…` labels a device asserts about itself, and which somebody gave it.

A device chooses what it reports, so a report never changes a label that a batch or an administrator
gave: such a label is one whose value is not that which the Edge API wrote for the device, as the
annotation lists it (docs/reference/control-plane.md#hardware-labels).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..fleet.hardware_labels import hardware_labels
from ..resources.kinds import GROUP
from ..resources.objects.devices import EdgeDevice, Hardware, SignedRequest
from ..resources.views import annotations_of, labels_of

PREFIX = "device."  # of the labels that the Edge API makes from reports
# Of an EdgeDevice: KEY=VALUE of each label that the device asserted, sorted, separated by commas.
ASSERTED_ANNOTATION = f"{GROUP}/self-asserted-labels"
# Of a request and its EdgeDevice: the same of the labels that the device brought along.
BROUGHT_ANNOTATION = f"{GROUP}/brought-labels"


@dataclass(frozen=True)
class LabelChange:
    """What a report changes; empty where it changes nothing."""

    labels: dict[str, str]
    annotations: dict[str, str]


def change_labels(
    device: EdgeDevice, known: Hardware | None, reported: Hardware | None
) -> LabelChange:
    """Return the labels and the annotation to write after a report.

    `reported` is `status.hardware` with the report and `known` the one before it. A device of an
    earlier release has no annotation: what follows from `known` was asserted.
    """
    present, asserted = labels_of(device), _read(device)
    if asserted is None:
        asserted = hardware_labels(known)
    wanted = {
        key: text
        for key, text in hardware_labels(reported).items()
        if key not in present or present[key] == asserted.get(key)
    }
    kept = {key: text for key, text in asserted.items() if present.get(key) == text}
    text = write_labels(kept | wanted)
    # Without the annotation, the next report would make what was given look asserted.
    changes = text != annotations_of(device).get(ASSERTED_ANNOTATION)
    return LabelChange(
        {key: value for key, value in wanted.items() if present.get(key) != value},
        {ASSERTED_ANNOTATION: text} if changes else {},
    )


def given_labels(device: EdgeDevice) -> dict[str, str]:
    """Return the `device.…` labels that a batch or an administrator gave the device.

    Nobody knows of any for a device of an earlier release that has not reported since.
    """
    asserted = _read(device)
    if asserted is None:
        return {}
    return {
        key: text
        for key, text in labels_of(device).items()
        if key.startswith(PREFIX) and asserted.get(key) != text
    }


def brought_labels(target: EdgeDevice | SignedRequest, labels: Mapping[str, str]) -> dict[str, str]:
    """Return those of the labels that the device brought along and nobody changed since."""
    noted = _parse(annotations_of(target).get(BROUGHT_ANNOTATION, ""))
    return {key: value for key, value in noted.items() if labels.get(key) == value}


def write_labels(labels: Mapping[str, str]) -> str:
    """Return labels as one of the annotations lists them."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def _read(device: EdgeDevice) -> dict[str, str] | None:
    text = annotations_of(device).get(ASSERTED_ANNOTATION)
    return None if text is None else _parse(text)


def _parse(text: str) -> dict[str, str]:
    entries = (entry.partition("=") for entry in text.split(",") if entry)
    return {key: value for key, _, value in entries}
