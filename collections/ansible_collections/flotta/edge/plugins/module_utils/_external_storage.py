# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
"""A bucket that exists, as the ConfigMap and the Secret in which devices look for it.

The keys are those of docs/how-to/provide-storage.md#external-storage-a-bucket-that-exists.
"""

from __future__ import annotations

import base64
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from ansible_collections.flotta.edge.plugins.module_utils import _resource_api as api

try:
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.storage.endpoints import (
        checked_endpoint,
    )
except api.UNUSABLE as error:
    api.import_errors.append(error)  # api.run() says so

CONFIG_MAP_KEYS = ("BUCKET_NAME", "BUCKET_HOST", "BUCKET_PORT", "BUCKET_REGION")
ACCESS_KEY, SECRET_KEY, CA = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "tls.crt"
SECRET_KEYS = (ACCESS_KEY, SECRET_KEY, CA)
HTTPS_PORT = 443  # TCP
# S3's rules for names of buckets, as far as they concern all servers: letters may be upper case on old ones.
BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
REGION = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}")
KEY = re.compile(r"[!-~]+")  # no blanks, no control characters
CERTIFICATE = re.compile(
    r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL | re.ASCII
)
# What a diff shows of a value that is nobody's business.
HIDDEN, HIDDEN_AFTER = "hidden", "hidden, changed"


@dataclass(frozen=True)
class Bucket:
    """A bucket, and what a device needs to use it."""

    endpoint: str  # https://HOST[:PORT]
    name: str
    region: str
    access_key: str
    secret_key: str
    ca: str  # PEM; empty for the CAs of the system

    def config_map(self) -> dict[str, str]:
        """Return the data of the ConfigMap."""
        url = urlsplit(self.endpoint)
        return {
            "BUCKET_NAME": self.name,
            "BUCKET_HOST": url.hostname or "",  # an IPv6 address without its brackets
            "BUCKET_PORT": str(url.port or HTTPS_PORT),
            "BUCKET_REGION": self.region,
        }

    def secret(self) -> dict[str, str]:
        """Return the data of the Secret."""
        values = {ACCESS_KEY: self.access_key, SECRET_KEY: self.secret_key, CA: self.ca}
        return {
            name: base64.b64encode(text.encode()).decode() for name, text in values.items() if text
        }


def check_bucket(given: Bucket) -> Bucket:
    """Return a bucket as devices need it. Raises ValueError with a sentence that repeats no secret."""
    if not BUCKET.fullmatch(given.name):
        raise ValueError(
            f"bucket is {given.name!r}; use 3 to 63 letters, digits, dots and hyphens, as the S3 server knows the bucket."
        )
    if not REGION.fullmatch(given.region):
        raise ValueError(
            f"region is {given.region!r}; use the name of the region, such as eu-central-1."
        )
    for option, text in (("access_key", given.access_key), ("secret_key", given.secret_key)):
        if not KEY.fullmatch(text):
            raise ValueError(
                f"{option} is empty, or has blanks or other characters that no key has; copy it again."
            )
    return Bucket(
        _checked_endpoint(given.endpoint),
        given.name,
        given.region,
        given.access_key,
        given.secret_key,
        _checked_ca(given.ca),
    )


def _checked_endpoint(endpoint: str) -> str:
    checked = checked_endpoint(endpoint, "endpoint")
    if not checked:
        raise ValueError("endpoint is empty; use https://HOST:PORT.")
    return checked


def _checked_ca(text: str) -> str:
    """Return the certificates of a PEM text, and nothing that stands between them."""
    if not text.strip():
        return ""
    if "PRIVATE KEY-----" in text:
        raise ValueError(
            "ca has a private key, which devices must not get; give certificates only."
        )
    certificates = CERTIFICATE.findall(text)
    pem = "".join(f"{certificate}\n" for certificate in certificates)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError) as error:
        raise ValueError(
            "ca has no certificate that can be read; give the certificates of the CA in PEM, with their lines -----BEGIN CERTIFICATE-----."
        ) from error
    return pem


def describe(
    config_map: Mapping[str, str],
    secret: Mapping[str, str],
    before: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return what a diff shows: of the Secret only what it has and, beside the Secret `before`, what changes."""
    shown = {name: config_map[name] for name in CONFIG_MAP_KEYS if name in config_map}
    for name in (name for name in SECRET_KEYS if name in secret):
        differs = before is not None and before.get(name) != secret[name]
        shown[name] = HIDDEN_AFTER if differs else HIDDEN
    return shown
