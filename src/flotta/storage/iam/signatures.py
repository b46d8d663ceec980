"""Verification of signed requests (AWS Signature Version 4).

The signature is computed again with botocore's own signer and compared in constant time. It always
covers the body: an unsigned payload is refused.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

MAX_CLOCK_SKEW = timedelta(minutes=15)
NEEDED = frozenset({"host", "x-amz-date"})
BODY_HASH = "x-amz-content-sha256"
AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/\s,]+)/(?P<date>\d{8})/(?P<region>[\w-]+)"
    r"/(?P<service>\w+)/aws4_request, ?SignedHeaders=(?P<headers>[a-z0-9;-]+)"
    r", ?Signature=(?P<signature>[0-9a-f]{64})"
)


class Unsigned(Exception):
    """The request is refused; `code` is AWS' name for the cause."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class SignedHttpRequest:
    """What a signature covers of an HTTP request; header names are in lower case."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header_values(self, name: str) -> list[str]:
        """Return every value of a header."""
        return [value for header, value in self.headers if header == name]

    def header_value(self, name: str) -> str:
        """Return the one value of a header, "" when there is none or several."""
        found = self.header_values(name)
        return found[0] if len(found) == 1 else ""


def verify_signature(
    request: SignedHttpRequest, service: str, secret_of: Callable[[str], str | None], now: datetime
) -> str:
    """Return the id of the access key that signed the request; raises Unsigned."""
    claimed = AUTHORIZATION.fullmatch(request.header_value("authorization"))
    if claimed is None:
        raise Unsigned("MissingAuthenticationToken", "the request is not signed (Signature V4)")
    if claimed["service"] != service:
        raise Unsigned("SignatureDoesNotMatch", f"the request is not signed for {service}")
    names = claimed["headers"].split(";")
    if not set(names) >= NEEDED:
        raise Unsigned("IncompleteSignature", "the signature must cover host and x-amz-date")
    _require_recent(request.header_value("x-amz-date"), claimed["date"], now)
    _require_own_body(request)
    secret = secret_of(claimed["key"])
    if secret is None:
        raise Unsigned("InvalidClientTokenId", "the access key is not known")
    credentials = Credentials(claimed["key"], secret)
    try:
        expected = _compute_signature(
            request, names, SigV4Auth(credentials, service, claimed["region"])
        )
    except ValueError as error:  # a Host header that is not one, such as `[`
        raise Unsigned("IncompleteSignature", f"the request cannot be read: {error}") from error
    if not hmac.compare_digest(expected, claimed["signature"]):
        raise Unsigned(
            "SignatureDoesNotMatch", "the signature does not match request and secret key"
        )
    return claimed["key"]


def _require_recent(stamp: str, date: str, now: datetime) -> None:
    try:
        signed = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise Unsigned("IncompleteSignature", "x-amz-date is not a date-time") from error
    if not stamp.startswith(date) or abs(now - signed) > MAX_CLOCK_SKEW:
        raise Unsigned(
            "RequestExpired",
            "the request was signed more than 15 minutes ago or in the future; compare the clocks",
        )


def _require_own_body(request: SignedHttpRequest) -> None:
    signed = request.header_values(BODY_HASH)
    if signed and signed != [hashlib.sha256(request.body).hexdigest()]:
        raise Unsigned("SignatureDoesNotMatch", "the body is not the one that was signed")


def _compute_signature(request: SignedHttpRequest, names: Iterable[str], auth: SigV4Auth) -> str:
    again = AWSRequest(request.method, request.url, data=request.body)
    for name in names:
        for value in request.header_values(name):
            again.headers[name] = value  # adds, as in e-mail headers
    again.context["timestamp"] = request.header_value("x-amz-date")
    signature: str = auth.signature(
        auth.string_to_sign(again, auth.canonical_request(again)), again
    )
    return signature
