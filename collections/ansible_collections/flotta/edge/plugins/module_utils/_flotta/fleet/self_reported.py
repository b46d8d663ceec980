# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/fleet/self_reported.py: change that.
"""Workloads that give Secrets to whatever device reports the right hardware.

`device.…` labels are made of what a device says about itself, and `workload/…` labels follow from
selectors that may use them. A device that is a member of the fleet chooses them, so they must not
decide who gets a Secret (docs/explanation/security.md#labels-that-devices-report).
"""

from __future__ import annotations

from ..fleet.references import pod_references
from ..fleet.self_asserted import brought_labels
from ..printable_text import printable
from ..resources.kinds import SECRET
from ..resources.objects.devices import EdgeDevice
from ..resources.objects.workloads import EdgeWorkload, LabelSelector
from ..resources.views import labels_of, name_of, spec_of

PREFIXES = ("device.", "workload/")  # of labels that a device reports, or that follow from them
POSITIVE = ("In", "Exists")  # operators that a device without the label does not satisfy


def secrets_warning(workload: EdgeWorkload) -> str | None:
    """Return a sentence if only self-reported labels decide which devices get Secrets, else None.

    A workload that names its device, or that requires a label of an administrator, is fine.
    """
    spec = spec_of(workload)
    selector = spec.get("deviceSelector")
    secrets = secret_names(workload)
    if not secrets or spec.get("device") or selector is None:
        return None
    keys = _self_reported_keys(selector)
    if not keys or _requires_other_label(selector):
        return None
    return printable(
        f"Any device of the namespace gets {_listed('Secret', secrets)} by reporting "
        f"{_listed('label', keys)} itself; also require a label that an administrator sets"
    )


def brought_warning(workload: EdgeWorkload, device: EdgeDevice) -> str | None:
    """Return a sentence if the device itself decided that it gets Secrets, else None.

    That is so if it brought along each label that the workload requires, or reports it
    (docs/reference/control-plane.md#labels-that-devices-bring-along). The warning about a workload
    covers those that all devices report.
    """
    spec, secrets = spec_of(workload), secret_names(workload)
    selector = spec.get("deviceSelector")
    if not secrets or spec.get("device") or selector is None:
        return None
    required, brought = _required_keys(selector), brought_labels(device, labels_of(device))
    own = [key for key in required if key in brought]
    if not own or any(key not in brought and not key.startswith(PREFIXES) for key in required):
        return None
    return printable(
        f"{name_of(device)} gets {_listed('Secret', secrets)} by {_listed('label', own)}, which it "
        "brought along itself; also require a label that an administrator sets"
    )


def secret_names(workload: EdgeWorkload) -> list[str]:
    """Return the names of the Secrets that devices get with the workload, sorted."""
    spec = spec_of(workload)
    pod = (spec.get("pod") or {}).get("spec") or {}
    found = {reference.name for reference in pod_references(pod) if reference.kind == SECRET}
    registry = ((spec.get("imageRegistries") or {}).get("secretRef") or {}).get("name")
    return sorted(found | ({registry} if registry else set()))


def _self_reported_keys(selector: LabelSelector) -> list[str]:
    keys = [*(selector.get("matchLabels") or ())]
    keys += [item.get("key", "") for item in selector.get("matchExpressions") or ()]
    return sorted({key for key in keys if key.startswith(PREFIXES)})


def _requires_other_label(selector: LabelSelector) -> bool:
    """Tell whether a device needs a label that it cannot give itself."""
    return any(not key.startswith(PREFIXES) for key in _required_keys(selector))


def _required_keys(selector: LabelSelector) -> list[str]:
    """Return the keys of labels without which no device is selected, sorted."""
    keys = [*(selector.get("matchLabels") or ())]
    keys += [
        item.get("key", "")
        for item in selector.get("matchExpressions") or ()
        if item.get("operator") in POSITIVE
    ]
    return sorted(set(keys))


def _listed(what: str, names: list[str]) -> str:
    return f"{what}{'s' if len(names) > 1 else ''} {', '.join(names)}"
