# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/resources/errors.py: change that.
"""Errors that a response of the resource API raises unless it is a success.

ApiError
 ├── Unreachable       no response at all
 ├── Forbidden         403
 ├── NotFound          404
 ├── AlreadyExists     409, on create
 ├── Conflict          409, stale resourceVersion
 ├── Expired           410, list again
 └── Invalid           422
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn, TypedDict


class StatusDetails(TypedDict, total=False):
    """Details of a Status about the object; `causes` name fields."""

    name: str
    kind: str
    causes: list[StatusCause]
    retryAfterSeconds: int


class StatusCause(TypedDict, total=False):
    """One cause of a refusal."""

    reason: str
    message: str
    field: str


class Status(TypedDict, total=False):
    """The fields of a metav1.Status that we read; the body of an error may be anything."""

    reason: str
    message: str
    details: StatusDetails
    code: int


class ApiError(Exception):
    """A response that is not a success.

    `status` is the HTTP code (0: none), `details` as in the Status object.
    """

    def __init__(
        self, status: int, reason: str, message: str, details: StatusDetails | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.details: StatusDetails = details or {}


class Unreachable(ApiError):
    """The server did not respond."""

    @property
    def refused(self) -> bool:
        """Whether nothing listens at the address."""
        cause = self.__cause__
        return isinstance(getattr(cause, "os_error", cause), ConnectionRefusedError)


class Forbidden(ApiError):
    """The client does not have permission."""


class NotFound(ApiError):
    """The object or its namespace does not exist."""


class AlreadyExists(ApiError):
    """An object of this name exists already."""


class Conflict(ApiError):
    """The object changed since it was read."""


class Expired(ApiError):
    """The resourceVersion is too old; list again."""


class Invalid(ApiError):
    """The object did not pass validation."""


BY_STATUS: Mapping[int, type[ApiError]] = {
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Expired,
    422: Invalid,
}


def raise_error(code: int, status: Status) -> NoReturn:
    """Raise the error for an HTTP code and a Status object."""
    reason = status.get("reason", "")
    error = AlreadyExists if reason == "AlreadyExists" else BY_STATUS.get(code, ApiError)
    message = status.get("message") or f"HTTP status {code}"
    raise error(code, reason, message, status.get("details"))
