"""Kubernetes core Events about our objects (Event v1 core)."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from flotta.resources.kinds import EVENT, Kind
from flotta.resources.objects.core import Event
from flotta.resources.objects.meta import MergePatch, Resource
from flotta.rfc3339 import format_micro_time, format_time

MESSAGE_LIMIT = 1024  # bytes, as the API server enforces when eventTime is set


def build_event(
    involved: Resource,
    kind: Kind[Resource],
    type_: str,
    reason: str,
    message: str,
    component: str,
) -> Event:
    """Return the Event object.

    Its name is derived from its content, so that a repetition meets the same object.
    """
    metadata = involved["metadata"]
    now = datetime.now(UTC)
    text = _shorten(message)
    digest = hashlib.sha256(
        "\0".join([kind.kind, metadata.get("uid", ""), type_, reason, text, component]).encode()
    ).hexdigest()[:16]
    namespace = metadata.get("namespace", "default")
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.kind,
        "metadata": {"name": f"{metadata['name'][:200]}.{digest}", "namespace": namespace},
        "involvedObject": {
            "apiVersion": kind.api_version,
            "kind": kind.kind,
            "name": metadata["name"],
            "namespace": namespace,
            "uid": metadata.get("uid", ""),
        },
        "type": type_,
        "reason": reason,
        "message": text,
        "action": reason,
        "count": 1,
        "firstTimestamp": format_time(now),
        "lastTimestamp": format_time(now),
        "eventTime": format_micro_time(now),
        "reportingComponent": component,
        "reportingInstance": component,
        "source": {"component": component},
    }


def _shorten(message: str) -> str:
    data = message.encode()
    if len(data) <= MESSAGE_LIMIT:
        return message
    return data[: MESSAGE_LIMIT - len("…".encode())].decode(errors="ignore") + "…"


def series_patch(old: Event) -> MergePatch:
    """Return the merge patch that counts one more occurrence of `old`."""
    return {"count": (old.get("count") or 1) + 1, "lastTimestamp": format_time(datetime.now(UTC))}
