"""The rules of Events (core/v1)."""

from __future__ import annotations

from collections.abc import Iterable

from flotta.apiserver.core.schema import CoreSchema
from flotta.apiserver.errors import Cause, invalid_value, required
from flotta.apiserver.json_object import JsonObject
from flotta.apiserver.names import qualified_problems

# Field → most bytes, of Events with eventTime.
LIMITS = {"reportingInstance": 128, "action": 128, "reason": 128, "message": 1024}
SCHEMA = CoreSchema("io.k8s.api.core.v1.Event")
FIELD_LABELS = {
    **{
        f"involvedObject.{name}": ("involvedObject", name)
        for name in (
            "kind",
            "namespace",
            "name",
            "uid",
            "apiVersion",
            "resourceVersion",
            "fieldPath",
        )
    },
    "reason": ("reason",),
    "type": ("type",),
    "source": ("source", "component"),
    "reportingComponent": ("reportingComponent",),
}


def normalize(event: JsonObject, _old: JsonObject | None) -> None:
    """Add the fields that an Event always has."""
    event.setdefault("involvedObject", {})
    event.setdefault("source", {})
    for field in ("firstTimestamp", "lastTimestamp", "eventTime"):
        event.setdefault(field, None)
    for field in ("reportingComponent", "reportingInstance"):
        event.setdefault(field, "")


def validate(new: JsonObject, _old: JsonObject | None) -> Iterable[Cause]:
    """Return what is wrong with the namespace of an Event, or missing in one with eventTime."""
    involved = new["involvedObject"].get("namespace", "")
    namespace = new["metadata"]["namespace"]
    shared = {"default", "kube-system"} if new["eventTime"] else {"default"}
    # An Event with eventTime may be about an object in another namespace.
    fits = namespace in shared if not involved else new["eventTime"] or involved == namespace
    if not fits:
        yield invalid_value("involvedObject.namespace", involved, "does not match event.namespace")
    # By eventTime Kubernetes recognises Events of the newer API (events.k8s.io), for which the
    # rules are stricter.
    if new["eventTime"]:
        yield from _validate_timed_event(new)


def _validate_timed_event(event: JsonObject) -> Iterable[Cause]:
    """Return what is refused in an Event with eventTime.

    Kubernetes counts bytes, although its message says characters.
    """
    component = event["reportingComponent"]
    for problem in qualified_problems(component):
        yield invalid_value("reportingComponent", component, problem)
    for field in ("reportingComponent", "reportingInstance", "action", "reason"):
        if not event.get(field):
            yield required(field)
    for field, limit in LIMITS.items():
        if len(event.get(field, "").encode()) > limit:
            yield invalid_value(field, "", f"can have at most {limit} characters")
