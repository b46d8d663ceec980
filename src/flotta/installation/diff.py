"""What an apply changes, shown without secrets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]
# Written by the server or by controllers, and never by us.
NOISE = (
    "managedFields",
    "resourceVersion",
    "uid",
    "creationTimestamp",
    "generation",
    "selfLink",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)
# kubectl's copy of the whole object, with the values of a Secret.
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
HIDDEN = "(not shown)"
HIDDEN_NEW = "(not shown; new)"


@dataclass(frozen=True)
class ObjectChange:
    """One object before and after; None where it does not exist."""

    title: str
    before: Object | None
    after: Object | None

    def as_ansible_diff(self) -> dict[str, Any]:
        """Return the change as an entry of Ansible's `diff`."""
        return {
            "before_header": self.title,
            "after_header": self.title,
            "before": self.before or {},
            "after": self.after or {},
        }


def strip_noise(obj: Object | None) -> Object | None:
    """Return an object without its status and what the server notes about it."""
    if obj is None:
        return None
    metadata = {key: value for key, value in obj["metadata"].items() if key not in NOISE}
    if annotations := metadata.pop("annotations", None):
        others = {key: value for key, value in annotations.items() if key != LAST_APPLIED}
        metadata |= {"annotations": others} if others else {}
    kept = {key: value for key, value in obj.items() if key not in ("status", "metadata")}
    return {**kept, "metadata": metadata}


def diff_objects(title: str, before: Object | None, after: Object | None) -> ObjectChange | None:
    """Return what is different, None when nothing is."""
    old, new = strip_noise(before), strip_noise(after)
    if old == new:
        return None
    secret = "Secret" in ((before or after or {}).get("kind"), (after or {}).get("kind"))
    if not secret:
        return ObjectChange(title, old, new)
    return ObjectChange(title, _hide_values(old, None), _hide_values(new, old))


def _hide_values(secret: Object | None, older: Object | None) -> Object | None:
    """Return a Secret whose values are replaced by words that say only whether they are new.

    Annotations are left out: other tools keep copies of values there.
    """
    if secret is None:
        return None
    known = (older or {}).get("data") or {}
    values = {
        key: HIDDEN if older is None or known.get(key) == value else HIDDEN_NEW
        for key, value in (secret.get("data") or {}).items()
    }
    metadata = {key: value for key, value in secret["metadata"].items() if key != "annotations"}
    kept = {key: value for key, value in secret.items() if key != "stringData"}
    return {**kept, "metadata": metadata, "data": values}
