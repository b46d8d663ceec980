# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/resources/events.py: change that.
"""Kubernetes core Events about our objects (Event v1 core).

Their reasons are listed in docs/reference/reasons.md#events.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from ..printable_text import ELLIPSIS, printable
from ..resources.kinds import EVENT, Kind
from ..resources.objects.core import Event, ObjectReference
from ..resources.objects.meta import MergePatch, Resource
from ..resources.views import name_of, namespace_of
from ..rfc3339 import format_micro_time, format_time

# As the API server enforces when eventTime is set.
MESSAGE_LIMIT = 1024  # bytes
REASON_LIMIT = 128  # bytes, of the action as well


def build_event(
    involved: Resource,
    kind: Kind[Resource],
    type_: str,
    reason: str,
    message: str,
    component: str,
) -> Event:
    """Return the Event object.

    Its name is derived from its content, so that a repetition finds the same object. Reason and
    message may be those of a device: they become printable.
    """
    now, text = datetime.now(UTC), _fit(message, MESSAGE_LIMIT)
    reason = _fit(reason, REASON_LIMIT)
    reference = _refer_to(involved, kind)
    said = kind.kind, reference["uid"], type_, reason, text, component
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.kind,
        "metadata": {
            "name": f"{name_of(involved)[:200]}.{_digest(*said)}",
            "namespace": reference["namespace"],
        },
        "involvedObject": reference,
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


def _refer_to(involved: Resource, kind: Kind[Resource]) -> ObjectReference:
    """Return a reference to an object; an Event about one without a namespace is in `default`."""
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "name": name_of(involved),
        "namespace": namespace_of(involved) or "default",
        "uid": involved["metadata"].get("uid", ""),
    }


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def _fit(text: str, limit: int) -> str:
    """Return the text printable, and shortened to this number of bytes."""
    text = printable(text, limit)
    data = text.encode()
    if len(data) <= limit:
        return text
    return data[: limit - len(ELLIPSIS.encode())].decode(errors="ignore") + ELLIPSIS


def series_patch(old: Event) -> MergePatch:
    """Return the merge patch that counts one more occurrence of `old`."""
    return {"count": (old.get("count") or 1) + 1, "lastTimestamp": format_time(datetime.now(UTC))}
