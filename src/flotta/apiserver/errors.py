"""What a request is refused with.

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
    """What a validation error must say; schema validation has its own class of this shape."""

    @property
    def reason(self) -> str:
        """A word of Kubernetes such as `FieldValueInvalid`, by which programs tell causes apart."""

    @property
    def message(self) -> str:
        """What is wrong, for people."""

    @property
    def field(self) -> str:
        """The path of the field, as in `spec.mounts[0].device`."""


@dataclass(frozen=True)
class Cause:
    """One validation error, worded as Kubernetes' `field.Error`."""

    reason: str
    message: str
    field: str


class StatusError(Exception):
    """A request to which the response is a Status object."""

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
    """A request to which the response is plain text, as Kubernetes does for unknown paths."""

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
    # Half of a surrogate pair, which JSON can hold, could not be sent back.
    return f"{field} must be {expected}, not {shown}".encode(errors="replace").decode()


def wrong_type(field: str, value: object, expected: str) -> StatusError:
    """Return a 400: a value has another type. Nothing that cannot be decoded has causes."""
    return bad_request(describe_mismatch(field, value, expected))


def unauthorized() -> StatusError:
    """Return a 401: the credentials do not count."""
    return StatusError(401, "Unauthorized", "Unauthorized")


def not_found(plural: str, group: str, name: str) -> StatusError:
    """Return a 404: there is no object of this name."""
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
    """Return a 409: the object is not what the request builds on."""
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
    """Return a 422: a JSON patch that cannot be applied."""
    message = "the server rejected our request due to an error in our request"
    return StatusError(422, message, "Invalid", {})


def expired(message: str, continue_token: str | None = None) -> StatusError:
    """Return a 410: the version is no longer in the watch cache."""
    metadata = {"continue": continue_token} if continue_token else None
    return StatusError(410, message, "Expired", metadata=metadata)


def forbidden(plural: str, group: str, name: str, why: str) -> StatusError:
    """Return a 403: the server itself does not allow it, whoever asks."""
    subject = f'{qualified_name(plural, group)} "{name}"' if name else qualified_name(plural, group)
    message = f"{subject} is forbidden: {why}"
    return StatusError(403, message, "Forbidden", status_details(plural, group, name))


def internal(message: str) -> StatusError:
    """Return a 500, which Kubernetes also gives for some mistakes of clients."""
    return StatusError(500, message)


# Causes, worded as k8s.io/apimachinery/pkg/util/validation/field words them.


def required(field: str, text: str = "") -> Cause:
    """Return a field that must be there."""
    return Cause(
        "FieldValueRequired", f"Required value: {text}" if text else "Required value", field
    )


def invalid_value(field: str, value: object, text: str) -> Cause:
    """Return a value that does not fit; `text` says what would."""
    return Cause("FieldValueInvalid", f"Invalid value: {format_value(value)}: {text}", field)


def unsupported(field: str, value: str, supported: Iterable[str]) -> Cause:
    """Return a value that is none of the possible ones."""
    choices = ", ".join(f'"{choice}"' for choice in supported)
    return Cause(
        "FieldValueNotSupported", f"Unsupported value: {value}: supported values: {choices}", field
    )


def forbidden_value(field: str, text: str) -> Cause:
    """Return a field that must not be set, or not changed."""
    return Cause("FieldValueForbidden", f"Forbidden: {text}", field)


def too_long(field: str, limit: int) -> Cause:
    """Return a value of more than `limit` bytes."""
    return Cause("FieldValueTooLong", f"Too long: may not be more than {limit} bytes", field)


def format_value(value: object) -> str:
    """Return a value as field errors print it."""
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)
