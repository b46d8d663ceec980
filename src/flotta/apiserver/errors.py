"""The errors with which a request is refused.

Status codes, `reason` and `details` are those of Kubernetes ("Error conditions" in its API
conventions); messages are our own sentences.

StatusError      a response that is a Status object with status Failure
PlainTextError   a response in plain text (unknown paths)
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from flotta.apiserver.json_object import JsonObject

MAX_SHOWN = 100  # characters of a value in a message


class CauseLike(Protocol):
    """What a validation error has; schema validation has its own class of this shape."""

    @property
    def reason(self) -> str:
        """Kubernetes' word for the error, such as `FieldValueInvalid`, for programs."""

    @property
    def message(self) -> str:
        """What is wrong, for people to read."""

    @property
    def field(self) -> str:
        """The path of the field, as in `spec.mounts[0].device`."""


@dataclass(frozen=True)
class Cause:
    """One validation error, with the words of Kubernetes' `field.Error`."""

    reason: str
    message: str
    field: str


class StatusError(Exception):
    """A request that is answered with a Status object."""

    def __init__(
        self,
        code: int,
        message: str,
        reason: str | None = None,
        details: JsonObject | None = None,
        *,
        headers: dict[str, str] | None = None,
        metadata: JsonObject | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason
        self.details = details
        self.headers = headers or {}
        self.metadata = metadata or {}
        self.warnings: list[str] = []

    def status(self) -> JsonObject:
        """Return the Status object of this error."""
        body: JsonObject = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.metadata,
            "status": "Failure",
            "message": self.message,
        }
        if self.reason is not None:
            body["reason"] = self.reason
        if self.details is not None:
            body["details"] = self.details
        return {**body, "code": self.code}


class PlainTextError(Exception):
    """A request that is answered in plain text, as Kubernetes does for unknown paths."""

    def __init__(self, code: int = 404, text: str = "404 page not found\n") -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def qualified_name(plural: str, group: str) -> str:
    """Return the name of a resource in messages: `edgedevices.management.project-flotta.io`."""
    return f"{plural}.{group}" if group else plural


def status_details(kind: str, group: str, name: str) -> JsonObject:
    """Return the details of a Status; empty parts are left out."""
    parts = {"name": name, "group": group, "kind": kind}
    return {key: value for key, value in parts.items() if value}


def bad_request(message: str) -> StatusError:
    """Return a 400: the request cannot be read, or contradicts itself."""
    return StatusError(400, message, "BadRequest")


def describe_mismatch(field: str, value: object, expected: str) -> str:
    """Return a sentence about a value that does not fit: `a.b must be a string, not 5`."""
    shown = json.dumps(value, ensure_ascii=False)
    if len(shown) > MAX_SHOWN:
        shown = f"{shown[:MAX_SHOWN]}…"
    # JSON can contain half of a surrogate pair, which cannot be sent back.
    return f"{field} must be {expected}, not {shown}".encode(errors="replace").decode()


def wrong_type(field: str, value: object, expected: str) -> StatusError:
    """Return a 400 without causes: a value has the wrong type and cannot be decoded."""
    return bad_request(describe_mismatch(field, value, expected))


def unauthorized() -> StatusError:
    """Return a 401: the credentials are not valid."""
    return StatusError(401, "Unauthorized", "Unauthorized")


def not_found(plural: str, group: str, name: str) -> StatusError:
    """Return a 404: no object has this name."""
    message = f'{qualified_name(plural, group)} "{name}" not found'
    return StatusError(404, message, "NotFound", status_details(plural, group, name))


def unknown_resource() -> StatusError:
    """Return a 404: nothing of this kind is served."""
    message = "the server could not find the requested resource"
    return StatusError(404, message, "NotFound", {})


def already_exists(plural: str, group: str, name: str, *, deleting: bool = False) -> StatusError:
    """Return a 409: the name is taken."""
    prefix = "object is being deleted: " if deleting else ""
    message = f'{prefix}{qualified_name(plural, group)} "{name}" already exists'
    return StatusError(409, message, "AlreadyExists", status_details(plural, group, name))


MODIFIED = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


def conflict(kind: str, group: str, name: str, why: str = MODIFIED) -> StatusError:
    """Return a 409: the request is based on another version of the object."""
    message = f'Operation cannot be fulfilled on {qualified_name(kind, group)} "{name}": {why}'
    return StatusError(409, message, "Conflict", status_details(kind, group, name))


def invalid(kind: str, group: str, name: str, causes: Iterable[CauseLike]) -> StatusError:
    """Return a 422 with one entry in details.causes for each validation error."""
    listed = list(causes)
    texts = [f"{cause.field}: {cause.message}" for cause in listed]
    text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    body = status_details(kind, group, name)
    body["causes"] = [
        {"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in listed
    ]
    message = f'{qualified_name(kind, group)} "{name}" is invalid: {text}'
    return StatusError(422, message, "Invalid", body)


def invalid_options(kind: str, *causes: CauseLike) -> StatusError:
    """Return a 422 about query parameters (ListOptions, PatchOptions, ...)."""
    return invalid(kind, "meta.k8s.io", "", causes)


def unprocessable() -> StatusError:
    """Return a 422: the JSON patch cannot be applied."""
    message = "the server rejected our request due to an error in our request"
    return StatusError(422, message, "Invalid", {})


def expired(message: str, continue_token: str | None = None) -> StatusError:
    """Return a 410: the version is no longer in the watch cache."""
    metadata = {"continue": continue_token} if continue_token else None
    return StatusError(410, message, "Expired", metadata=metadata)


def forbidden(plural: str, group: str, name: str, why: str) -> StatusError:
    """Return a 403: the server allows this to no user."""
    subject = f'{qualified_name(plural, group)} "{name}"' if name else qualified_name(plural, group)
    message = f"{subject} is forbidden: {why}"
    return StatusError(403, message, "Forbidden", status_details(plural, group, name))


def internal(message: str) -> StatusError:
    """Return a 500, with which Kubernetes also answers some mistakes of clients."""
    return StatusError(500, message)


# Causes, with the words of k8s.io/apimachinery/pkg/util/validation/field.


def required(field: str, text: str = "") -> Cause:
    """Return the cause for a required field that is missing."""
    return Cause(
        "FieldValueRequired", f"Required value: {text}" if text else "Required value", field
    )


def invalid_value(field: str, value: object, text: str) -> Cause:
    """Return the cause for a wrong value; `text` says what is valid."""
    return Cause("FieldValueInvalid", f"Invalid value: {format_value(value)}: {text}", field)


def unsupported(field: str, value: str, supported: Iterable[str]) -> Cause:
    """Return the cause for a value that is not among the supported ones."""
    choices = ", ".join(f'"{choice}"' for choice in supported)
    return Cause(
        "FieldValueNotSupported", f"Unsupported value: {value}: supported values: {choices}", field
    )


def forbidden_value(field: str, text: str) -> Cause:
    """Return the cause for a field that must not be set or changed."""
    return Cause("FieldValueForbidden", f"Forbidden: {text}", field)


def too_long(field: str, limit: int) -> Cause:
    """Return the cause for a value of more than `limit` bytes."""
    return Cause("FieldValueTooLong", f"Too long: may not be more than {limit} bytes", field)


def format_value(value: object) -> str:
    """Return a value as field errors print it."""
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)
