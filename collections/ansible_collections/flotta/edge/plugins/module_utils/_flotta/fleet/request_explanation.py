# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/fleet/request_explanation.py: change that.
"""Explanations of requests to join: why one waits, who or which rule decided. No I/O."""

from __future__ import annotations

from ..fleet.joining import code_of
from ..fleet.registration_batches import APPROVAL_WITHHELD_ANNOTATION
from ..fleet.status import request_state
from ..printable_text import printable
from ..resources.objects.devices import SignedRequest
from ..resources.views import annotations_of, generation_of, name_of, status_of

LINE_LIMIT = 4096  # characters of a line


def explain_request(request: SignedRequest, *, has_device: bool = False) -> list[str]:
    """Explain a request; `has_device` says whether its EdgeDevice exists."""
    lines = _joined_lines(request) if has_device else _request_lines(request)
    return [printable(line, LINE_LIMIT) for line in lines]


def describe_decision(request: SignedRequest) -> list[str]:
    """Return who decided about a request and on which evidence; empty if that is not recorded."""
    decision = status_of(request).get("decision")
    if not decision:
        return []
    verb = "declined" if request_state(request) == "declined" else "approved"
    first = f"It was {verb} by {decision.get('by')} at {decision.get('at')}:"
    return [first, *(f"  {text.rstrip('.')}." for text in decision.get("evidence") or ())]


def _joined_lines(request: SignedRequest) -> list[str]:
    name, namespace = name_of(request), request["spec"].get("targetNamespace")
    first = f"{name} is {request_state(request)}, and a device in namespace {namespace}."
    return [
        f"{first} To explain it: flotta explain device {name} -n {namespace}",
        *describe_decision(request),
    ]


def _request_lines(request: SignedRequest) -> list[str]:
    name, state = name_of(request), request_state(request)
    if state == "waiting for approval":
        return [
            f"{name} requests to join. Approve it with: flotta approve {name}",
            *_describe_code(request),
            *_describe_withheld(request),
        ]
    decision = describe_decision(request)
    if state == "declined":
        first = f"{name} requested to join and was declined. To approve it: flotta approve {name}"
        return [first, *decision]
    return [
        f"{name} is approved, but its EdgeDevice does not exist yet.",
        _operator_message(request),
        *decision,
    ]


def _describe_code(request: SignedRequest) -> list[str]:
    code = code_of(request)
    return [f"If it shows a code on its console, that has to be {code}."] if code else []


def _describe_withheld(request: SignedRequest) -> list[str]:
    withheld = annotations_of(request).get(APPROVAL_WITHHELD_ANNOTATION)
    return [f"No rule approves it: {withheld.rstrip('.')}."] if withheld else []


def _operator_message(request: SignedRequest) -> str:
    """Return the operator's message about the current state of the request."""
    status = status_of(request)
    # A message about an earlier approval would be misleading after a new one.
    seen = status.get("observedGeneration", 0) == generation_of(request)
    messages = [
        str(condition.get("message") or "").rstrip(".")
        for condition in status.get("conditions") or ()
        if condition["status"] == "True" and seen
    ]
    return f"{messages[0]}." if any(messages) else "Is flotta-operator running?"
