"""Who decided about a request to join, and on which evidence: `status.decision`.

A rule decides where the operator sets `spec.approved`, an administrator everywhere else. What is
recorded stays until somebody decides otherwise: approval and decline each get a record of their
own, and a request that waits again has none (docs/reference/control-plane.md#decisions).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from flotta.fleet.approval_rules import read_approval
from flotta.fleet.approvals import AUTOMATIC, rule_author
from flotta.fleet.joining import DECLINED_ANNOTATION, is_declined
from flotta.fleet.registration_batches import APPROVAL_ANNOTATION, DECIDED_BY_ANNOTATION
from flotta.operator.runtime.steps import RecordEvent
from flotta.printable_text import printable
from flotta.protocol.reasons.conditions import DECLINED
from flotta.protocol.reasons.events import APPROVED
from flotta.resources.conditions import holds
from flotta.resources.kinds import SIGNED_REQUEST
from flotta.resources.objects.devices import Decision, SignedRequest
from flotta.resources.objects.meta import Manifest
from flotta.resources.views import annotations_of, conditions_of, status_of
from flotta.rfc3339 import format_time

AUTHOR_LIMIT = 256  # characters of a name in an annotation or of a field manager
# Paths in managedFields (FieldsV1, KEP-555).
APPROVED_FIELD = ("f:spec", "f:approved")
DECLINED_FIELD = ("f:metadata", "f:annotations", f"f:{DECLINED_ANNOTATION}")
AUTHOR_FIELD = ("f:metadata", "f:annotations", f"f:{DECIDED_BY_ANNOTATION}")


def decide_by_rule(request: SignedRequest, now: datetime, *, auto: bool) -> Decision | None:
    """Return the approval of a request that waits by a rule, None if none approves it."""
    approval = read_approval(annotations_of(request).get(APPROVAL_ANNOTATION))
    if approval is not None:
        said = [approval["rule"], *approval["evidence"]]
        return {
            "by": rule_author(approval["batch"]),
            "at": approval["at"],
            "evidence": [printable(text) for text in said],
        }
    if auto:
        rule = "The setting approves every request that nobody declined"
        return {"by": AUTOMATIC, "at": format_time(now), "evidence": [rule]}
    return None


def decision_about(request: SignedRequest, now: datetime) -> Decision | None:
    """Return what is to be recorded of a request that is approved or declined.

    None for one that an earlier release approved, of which nobody knows by whom.
    """
    recorded, conditions = status_of(request).get("decision"), conditions_of(request)
    was_declined = holds(conditions, "declined")
    if is_declined(request):
        kept = recorded if was_declined else None
        return kept or _administrators(request, DECLINED_FIELD, now)
    if holds(conditions, "approved") or (recorded and not was_declined):
        return recorded
    return _administrators(request, APPROVED_FIELD, now)


def report_decision(request: SignedRequest, decision: Decision | None) -> tuple[RecordEvent, ...]:
    """Return the Event about a decision that was not recorded before, none for another."""
    if decision is None or decision == status_of(request).get("decision"):
        return ()
    code = DECLINED if is_declined(request) else APPROVED
    message = f"{code} by {decision['by']}: {'; '.join(decision['evidence'])}"
    return (RecordEvent(SIGNED_REQUEST, request, "Normal", code, message),)


def _administrators(request: SignedRequest, field: tuple[str, ...], now: datetime) -> Decision:
    """Return the decision of the person who wrote a field.

    The annotation names who it was, if the same program wrote both: that of an earlier decision
    stays when somebody decides without it.
    """
    author = annotations_of(request).get(DECIDED_BY_ANNOTATION)
    entry = _newest(_owners(request, field))
    signed = {item.get("manager") for item in _owners(request, AUTHOR_FIELD)}
    if entry is not None and entry.get("manager") not in signed:
        author = None
    return {
        "by": printable(author, AUTHOR_LIMIT) if author else "an administrator",
        "at": format_time(now),
        "evidence": [_describe_write(field, entry)],
    }


def _describe_write(field: tuple[str, ...], entry: Manifest | None) -> str:
    what = "spec.approved" if field == APPROVED_FIELD else f"the annotation {DECLINED_ANNOTATION}"
    if entry is None:
        return f"Somebody who may change requests set {what}"
    manager = printable(str(entry.get("manager")), AUTHOR_LIMIT)
    return f"The field manager {manager} set {what} at {printable(str(entry.get('time')), 64)}"


def _newest(entries: Iterator[Manifest]) -> Manifest | None:
    return max(entries, key=lambda entry: str(entry.get("time")), default=None)


def _owners(request: SignedRequest, path: tuple[str, ...]) -> Iterator[Manifest]:
    for entry in request["metadata"].get("managedFields") or ():
        fields: object = entry.get("fieldsV1")
        for step in path:
            fields = fields.get(step) if isinstance(fields, Mapping) else None
        if fields is not None:
            yield entry
