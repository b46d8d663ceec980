"""Workloads that give Secrets to whatever device reports the right hardware.

`device.…` labels are made of what a device says about itself, and `workload/…` labels follow from
selectors that may use them. A device that is a member of the fleet chooses them, so they must not
decide who gets a Secret (docs/explanation/security.md#labels-that-devices-report).
"""

from __future__ import annotations

from flotta.fleet.references import pod_references
from flotta.printable_text import printable
from flotta.resources.kinds import SECRET
from flotta.resources.objects.workloads import EdgeWorkload, LabelSelector
from flotta.resources.views import spec_of

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
    keys = [*(selector.get("matchLabels") or ())]
    keys += [
        item.get("key", "")
        for item in selector.get("matchExpressions") or ()
        if item.get("operator") in POSITIVE
    ]
    return any(not key.startswith(PREFIXES) for key in keys)


def _listed(what: str, names: list[str]) -> str:
    return f"{what}{'s' if len(names) > 1 else ''} {', '.join(names)}"
