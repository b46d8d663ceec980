# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/resources/conditions.py: change that.
"""Standard Kubernetes conditions (metav1.Condition) in a list.

The reasons that we set are listed in docs/reference/reasons.md#conditions.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from ..printable_text import printable_lines
from ..protocol.reasons.reason import Code
from ..resources.objects.meta import Condition, ConditionStatus
from ..rfc3339 import format_time

ACCEPTED = "Accepted"  # of an EdgeDevice, EdgeDeviceSet or EdgeWorkload: the spec is usable
CONFIGURED = "Configured"  # of an EdgeDevice: no reference in its configuration is broken
# Of an EdgeDevice that was adopted or joined again: its configuration keeps what it runs.
CONFIGURATION_RELEASED = "ConfigurationReleased"
DISCONNECTED = "Disconnected"  # of an EdgeDevice: it has acknowledged its decommission
# Of an EdgeDevice: heartbeats come; of an EdgeWorkload: it runs on all its devices; of a bucket
# claim: only False, while it cannot be provisioned or released.
READY = "Ready"
QUARANTINED = "Quarantined"  # of an EdgeDevice: only True, while it is quarantined
# Of an EdgeDevice whose deletion waits: whether the device may be told to wipe itself.
WIPE_ALLOWED = "WipeAllowed"
STORAGE_READY = "StorageReady"  # of an EdgeDevice with a bucket claim: it has its bucket
UPDATABLE = "Updatable"  # only False: stored fields prevent every change of the object

ConditionState = tuple[ConditionStatus, Code, str]  # status, reason, message


def find_condition(conditions: Iterable[Condition] | None, type_: str) -> Condition | None:
    """Return the condition of a type, None when there is none."""
    return next((item for item in conditions or () if item.get("type") == type_), None)


def condition_status(conditions: Iterable[Condition] | None, type_: str) -> str | None:
    """Return the status of the condition of a type, None when there is none."""
    condition = find_condition(conditions, type_)
    return condition["status"] if condition else None


def holds(conditions: Iterable[Condition] | None, type_: str) -> bool:
    """Tell whether the condition of a type is True; v0.2 wrote "true"."""
    return str(condition_status(conditions, type_)).lower() == "true"


def with_condition(
    conditions: Iterable[Condition] | None,
    type_: str,
    status: ConditionStatus,
    reason: Code,
    message: str,
    now: datetime,
    generation: int | None = None,
) -> list[Condition]:
    """Return the list with one condition set; its lastTransitionTime changes only with its status.

    `generation` is that of the object that was judged; None keeps the one in the condition. The
    message may quote others (a storage server, a device): it becomes printable, line by line.
    """
    items = list(conditions or ())
    old = find_condition(items, type_)
    changed = old is None or old.get("status") != status
    since = format_time(now) if changed or old is None else old.get("lastTransitionTime")
    new: Condition = {
        "type": type_,
        "status": status,
        "reason": reason,
        "message": printable_lines(message),
        "lastTransitionTime": since or format_time(now),
    }
    known = old.get("observedGeneration") if old else None
    observed = known if generation is None else generation
    if observed is not None:
        new["observedGeneration"] = observed
    if old is None:
        return [*items, new]
    return [new if item is old else item for item in items]
