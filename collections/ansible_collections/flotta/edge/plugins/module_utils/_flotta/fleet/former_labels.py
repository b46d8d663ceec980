# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/fleet/former_labels.py: change that.
"""The `device.*` labels that a device had before they changed, and the workloads it keeps by them.

A machine can report another name for a moment, for instance before DHCP gives it its own. Nobody
meant the device to lose what is selected by its name: a device removes the files of such a
workload. So it keeps them until a report shows, a while later, that the new labels stay; time alone
does not show it, because the device may have been off since. What an administrator changes, a
selector or a label, counts at once
(docs/reference/control-plane.md#hardware-labels-that-change).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TypeGuard

from ..fleet.selection import matches
from ..fleet.self_asserted import PREFIX, given_labels
from ..resources.kinds import GROUP
from ..resources.objects.devices import EdgeDevice
from ..resources.objects.workloads import EdgeWorkload
from ..resources.views import annotations_of, labels_of, name_of
from ..rfc3339 import format_time, parse_time

SETTLED = timedelta(hours=1)  # from a change to the first report that can show that it stays
MOST = 8  # former sets of labels that are remembered: the first, and the newest
CHANGED_ANNOTATION = f"{GROUP}/device-labels-changed"  # RFC 3339
FORMER_ANNOTATION = f"{GROUP}/former-device-labels"  # JSON: a list of objects, the oldest first
Labels = dict[str, str]


def record_change(
    device: EdgeDevice, change: Mapping[str, str | None], now: datetime
) -> dict[str, str | None]:
    """Return the annotations to write together with a change of labels; none if none is needed.

    The first report of a device changes nothing on which a workload could depend, and labels that
    somebody gave change with nobody's report.
    """
    given = given_labels(device)
    present = _own_part(labels_of(device))
    before = {key: text for key, text in present.items() if key not in given}
    if not before or all(before.get(key) == text for key, text in _own_items(change)):
        return {}
    known = _read_former(device) if is_unsettled(device) else []
    text = json.dumps(_remember(known, before), separators=(",", ":"), ensure_ascii=False)
    return {CHANGED_ANNOTATION: format_time(now), FORMER_ANNOTATION: text}


def settle(device: EdgeDevice, reported: Labels, now: datetime) -> dict[str, str | None]:
    """Return the annotations to remove because a report shows that the new labels stay, or none.

    `reported` are the labels of that report alone, without what earlier ones said.
    """
    end = settles_at(device)
    if end is None or now < end:
        return {}
    present, given = _own_part(labels_of(device)), given_labels(device)
    changed = {
        key
        for former in _read_former(device)
        for key in former.keys() | present.keys()
        if former.get(key) != present.get(key) and key not in given
    }
    if any(reported.get(key) != present.get(key) for key in changed):
        return {}
    return {CHANGED_ANNOTATION: None, FORMER_ANNOTATION: None}


def begin_again(device: EdgeDevice, now: datetime) -> dict[str, str | None]:
    """Return the annotations to write when a device returns, none without former labels.

    It may have been off since its labels changed, and have the name of a moment again.
    """
    return {CHANGED_ANNOTATION: format_time(now)} if is_unsettled(device) else {}


def settles_at(device: EdgeDevice) -> datetime | None:
    """Return from when a report can show that the new labels stay, None without former ones."""
    try:
        changed = parse_time(annotations_of(device).get(CHANGED_ANNOTATION, ""))
        return changed + SETTLED if changed else None
    except (ValueError, OverflowError):
        return None


def is_unsettled(device: EdgeDevice) -> bool:
    """Tell whether former labels of the device still count."""
    return settles_at(device) is not None


def workloads_kept(device: EdgeDevice, workloads: Iterable[EdgeWorkload]) -> list[EdgeWorkload]:
    """Return what no longer selects the device only because of its new labels, sorted by name."""
    if not is_unsettled(device):
        return []
    found = [
        item for item in workloads if not matches(item, device) and selects_former(item, device)
    ]
    return sorted(found, key=name_of)


def selects_former(workload: EdgeWorkload, device: EdgeDevice) -> bool:
    """Tell whether the workload selects the device with labels that it had, however long ago."""
    return any(matches(workload, _as_before(device, labels)) for labels in _read_former(device))


def _remember(known: list[Labels], before: Labels) -> list[Labels]:
    """Return the first set of labels, however often it came back, and the newest ones."""
    first, *later = known or [before]
    newest = [labels for labels in later if labels != before]
    if before != first:
        newest.append(before)
    return [first, *newest[-(MOST - 1) :]]


def _as_before(device: EdgeDevice, former: Labels) -> EdgeDevice:
    labels = {k: v for k, v in labels_of(device).items() if not k.startswith(PREFIX)}
    labels |= former | given_labels(device)
    return {**device, "metadata": {**device["metadata"], "labels": labels}}


def _read_former(device: EdgeDevice) -> list[Labels]:
    try:
        noted: object = json.loads(annotations_of(device).get(FORMER_ANNOTATION, "[]"))
    except (ValueError, RecursionError):  # somebody else wrote it
        return []
    known = noted if isinstance(noted, list) else []
    return known[:MOST] if all(map(_are_labels, known)) else []


def _are_labels(value: object) -> TypeGuard[Labels]:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def _own_items(labels: Mapping[str, str | None]) -> Iterable[tuple[str, str | None]]:
    return ((key, text) for key, text in labels.items() if key.startswith(PREFIX))


def _own_part(labels: Mapping[str, str]) -> Labels:
    return {key: text for key, text in labels.items() if key.startswith(PREFIX)}
