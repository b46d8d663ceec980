"""OpenAPI schemas of the core kinds and of metadata, for `kubectl explain` and `kubectl apply`."""

from __future__ import annotations

from typing import Any

from flotta.apiserver.json_object import JsonObject

META = "io.k8s.apimachinery.pkg.apis.meta.v1"


def reference(name: str, description: str = "") -> JsonObject:
    """Return a reference to a schema of the same document."""
    target: JsonObject = {"allOf": [{"$ref": f"#/components/schemas/{name}"}]}
    return target | ({"description": description} if description else {})


def _text(description: str, **more: str) -> JsonObject:
    return {"type": "string", "description": description, **more}


def _number(description: str, size: str = "int32") -> JsonObject:
    return {"type": "integer", "format": size, "description": description}


def _flag(description: str) -> JsonObject:
    return {"type": "boolean", "description": description}


def _time(description: str) -> JsonObject:
    return _text(description, format="date-time")


def _struct(description: str, properties: JsonObject, *required: str) -> JsonObject:
    schema: JsonObject = {"type": "object", "description": description, "properties": properties}
    return schema | ({"required": list(required)} if required else {})


def _list(items: JsonObject, description: str, **more: Any) -> JsonObject:
    return {"type": "array", "items": items, "description": description, **more}


def _map(value: JsonObject, description: str) -> JsonObject:
    return {"type": "object", "additionalProperties": value, "description": description}


TEXT: JsonObject = {"type": "string"}
BYTES: JsonObject = {"type": "string", "format": "byte"}

OWNER = _struct(
    "An object that this one belongs to.",
    {
        "apiVersion": _text("API version of the owner."),
        "kind": _text("Kind of the owner."),
        "name": _text("Name of the owner."),
        "uid": _text("UID of the owner."),
        "controller": _flag("Whether the owner manages this object."),
        "blockOwnerDeletion": _flag(
            "Whether foreground deletion of the owner waits for this object."
        ),
    },
    "apiVersion",
    "kind",
    "name",
    "uid",
)
MANAGED = _struct(
    "Fields that one writer owns.",
    {
        "manager": _text("Name of the writer."),
        "operation": _text("Apply or Update."),
        "apiVersion": _text("Version that the fields belong to."),
        "time": _time("When the writer last changed a field."),
        "fieldsType": _text("Always FieldsV1."),
        "fieldsV1": {"type": "object", "description": "The fields."},
        "subresource": _text("Subresource through which was written."),
    },
)
OBJECT_META = _struct(
    "Name, labels and what the server keeps about an object.",
    {
        "name": _text("Name, unique in the namespace."),
        "generateName": _text("Beginning of a name that the server completes."),
        "namespace": _text("Namespace of the object."),
        "labels": _map(TEXT, "Keys and values for selectors."),
        "annotations": _map(TEXT, "Keys and values that are no use to selectors."),
        "finalizers": _list(
            TEXT,
            "Names that must be removed before the object is.",
            **{"x-kubernetes-list-type": "set", "x-kubernetes-patch-strategy": "merge"},
        ),
        "ownerReferences": _list(
            OWNER,
            "Objects that this one belongs to; it goes when all of them are gone.",
            **{
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["uid"],
                "x-kubernetes-patch-merge-key": "uid",
                "x-kubernetes-patch-strategy": "merge",
            },
        ),
        "uid": _text("Identity of this object in time and space. Read-only."),
        "resourceVersion": _text("Version of this object. Read-only."),
        "generation": _number("Number of the wanted state. Read-only.", "int64"),
        "creationTimestamp": _time("When the object was created. Read-only."),
        "deletionTimestamp": _time("When the deletion was asked for. Read-only."),
        "deletionGracePeriodSeconds": _number("Always 0. Read-only.", "int64"),
        "managedFields": _list(MANAGED, "Which writer owns which fields."),
        "selfLink": _text("Not used."),
    },
)
LIST_META = _struct(
    "What belongs to a whole list.",
    {
        "resourceVersion": _text("Version that the list shows."),
        "continue": _text("Where the next page starts."),
        "remainingItemCount": _number("Objects on the following pages.", "int64"),
        "selfLink": _text("Not used."),
    },
)
OBJECT_REFERENCE = {
    "apiVersion": _text("API version of the object."),
    "kind": _text("Kind of the object."),
    "name": _text("Name of the object."),
    "namespace": _text("Namespace of the object."),
    "uid": _text("UID of the object."),
    "resourceVersion": _text("Version of the object."),
    "fieldPath": _text("Part of the object."),
}
CONDITION = _struct(
    "A condition of the namespace.",
    {
        "type": _text("Name of the condition."),
        "status": _text("True, False or Unknown."),
        "reason": _text("Why, as one word."),
        "message": _text("Why, as a sentence."),
        "lastTransitionTime": _time("When the status last changed."),
    },
    "type",
    "status",
)

SECRET = _struct(
    "Confidential data.",
    {
        "data": _map(BYTES, "Values in base64."),
        "stringData": _map(TEXT, "Values as text; merged into data, never read back."),
        "type": _text("Type of the Secret; Opaque when absent."),
        "immutable": _flag("Whether the data can no longer change."),
    },
)
CONFIG_MAP = _struct(
    "Settings.",
    {
        "data": _map(TEXT, "Values as text."),
        "binaryData": _map(BYTES, "Values in base64."),
        "immutable": _flag("Whether the data can no longer change."),
    },
)
EVENT = _struct(
    "Something that happened to an object.",
    {
        "involvedObject": _struct("The object.", OBJECT_REFERENCE),
        "related": _struct("A second object.", OBJECT_REFERENCE),
        "type": _text("Normal or Warning."),
        "reason": _text("What happened, as one word."),
        "message": _text("What happened, as a sentence."),
        "action": _text("What was being done."),
        "count": _number("How often it happened."),
        "firstTimestamp": _time("When it first happened."),
        "lastTimestamp": _time("When it last happened."),
        "eventTime": _time("When it first happened, with microseconds."),
        "series": _struct(
            "Repetitions.",
            {
                "count": _number("How often it happened."),
                "lastObservedTime": _time("When it last happened, with microseconds."),
            },
        ),
        "source": _struct(
            "Who reported it.",
            {"component": _text("Name of the component."), "host": _text("Its host.")},
        ),
        "reportingComponent": _text("Name of the component that reported it."),
        "reportingInstance": _text("Instance of that component."),
    },
    "metadata",
    "involvedObject",
)
NAMESPACE = _struct(
    "A room for names.",
    {
        "spec": _struct(
            "How it is removed.", {"finalizers": _list(TEXT, "What removal waits for.")}
        ),
        "status": _struct(
            "Its state.",
            {
                "phase": _text("Active or Terminating."),
                "conditions": _list(CONDITION, "What removal is waiting for."),
            },
        ),
    },
)
LEASE = _struct(
    "Who leads, and for how long.",
    {
        "spec": _struct(
            "The lease.",
            {
                "holderIdentity": _text("Who holds it."),
                "leaseDurationSeconds": _number("Seconds until others may take it."),
                "acquireTime": _time("When it was acquired, with microseconds."),
                "renewTime": _time("When it was last renewed, with microseconds."),
                "leaseTransitions": _number("How often the holder changed."),
                "preferredHolder": _text("Who should take it next."),
                "strategy": _text("How the next holder is chosen."),
            },
        )
    },
)
