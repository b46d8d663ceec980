"""AWS Signature Version 4 for requests without a body.

Source: AWS "Signature Version 4 signing process" (canonical request, string to sign, signing key).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote

EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
ALGORITHM = "AWS4-HMAC-SHA256"


def canonical_query(query: Mapping[str, str]) -> str:
    """Return the query string sorted and encoded as request line and signature need it."""
    encoded = sorted((quote(name, safe="-_.~"), quote(query[name], safe="-_.~")) for name in query)
    return "&".join(f"{name}={value}" for name, value in encoded)


def canonical_path(path: str) -> str:
    """Return an S3 path encoded once; S3 does not normalise dots and slashes."""
    return quote(path, safe="/-_.~")


def authorization(
    method: str,
    path: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    *,
    access_key: str,
    secret_key: str,
    region: str,
    moment: datetime,
    service: str = "s3",
    payload_sha256: str = EMPTY_SHA256,
) -> str:
    """Return the Authorization header; all `headers` are signed, `path` is not yet encoded."""
    lowered = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
    names = ";".join(sorted(lowered))
    lines = [f"{name}:{lowered[name]}" for name in sorted(lowered)]
    request = "\n".join(
        [method, canonical_path(path), canonical_query(query), *lines, "", names, payload_sha256]
    )
    stamp = moment.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    text = "\n".join([ALGORITHM, stamp, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = signing_key(secret_key, stamp[:8], region, service)
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    credential = f"Credential={access_key}/{scope}"
    return f"{ALGORITHM} {credential}, SignedHeaders={names}, Signature={signature}"


def signing_key(secret_key: str, day: str, region: str, service: str) -> bytes:
    """Return the key derived for one day (YYYYMMDD), region and service."""
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
