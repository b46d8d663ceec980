"""Which rule approved a request to join.

The record in `status.decision` is older than `spec.approved`, and stays until somebody decides
otherwise (docs/reference/control-plane.md#decisions).
"""

from __future__ import annotations

from flotta.fleet.approval_rules import read_approval
from flotta.fleet.registration_batches import APPROVAL_ANNOTATION
from flotta.resources.objects.devices import SignedRequest
from flotta.resources.views import annotations_of, status_of

PREFIX = "registration batch "
AUTOMATIC = "AUTO_APPROVAL_PROCESS"  # `by` of a decision of the setting


def rule_author(batch: str) -> str:
    """Return `by` of a decision of the rule of a batch."""
    return f"{PREFIX}{batch}"


def approving_batch(request: SignedRequest) -> tuple[str, str] | None:
    """Return name and UID of the batch whose rule approved a request.

    None if a person or a setting did; a UID that nobody wrote down is "".
    """
    approval = read_approval(annotations_of(request).get(APPROVAL_ANNOTATION))
    by = (status_of(request).get("decision") or {}).get("by", "")
    if approval and by in ("", rule_author(approval["batch"])):
        return approval["batch"], approval["uid"]
    return (by.removeprefix(PREFIX), "") if by.startswith(PREFIX) else None


def is_persons(request: SignedRequest) -> bool:
    """Tell whether a person, neither a rule nor the setting, approved an approved request."""
    by = (status_of(request).get("decision") or {}).get("by", "")
    return by != AUTOMATIC and approving_batch(request) is None
