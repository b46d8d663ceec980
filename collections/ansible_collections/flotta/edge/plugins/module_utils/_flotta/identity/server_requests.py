# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/identity/server_requests.py: change that.
"""Requests for the certificates of other servers, such as a data store: JSON with their names.

Whoever may write Secrets of the control plane writes them, so they are bounded
(docs/reference/control-plane.md#certificates-of-other-servers).
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import re
from collections.abc import Iterable

from ..identity.errors import IdentityError
from ..printable_text import printable

# Keys of the Secret's data. The first is written by whoever asks, the others by the Edge API.
REQUEST_KEY = "request"
CERTIFICATE_KEY = "server.crt"
PRIVATE_KEY_KEY = "server.key"
AUTHORITY_KEY = "ca.crt"

MAX_REQUEST = 64 * 1024  # bytes of JSON
MAX_NAMES = 64
MAX_NAME = 253  # characters
DNS_NAME = re.compile(
    r"(\*\.)?[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*"
)


class ServerRequestError(IdentityError):
    """The request asks for nothing that can be issued."""


def parse_server_request(text: bytes) -> tuple[str, ...]:
    """Return the names that a server is to have; raises ServerRequestError with a sentence."""
    if len(text) > MAX_REQUEST:
        raise ServerRequestError(f"the request is longer than {MAX_REQUEST // 1024} KiB")
    try:
        document: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ServerRequestError("the request is not JSON, or nested too deeply") from error
    if not isinstance(document, dict) or list(document) != ["names"]:
        raise ServerRequestError('the request is not of the form {"names": ["store.example"]}')
    names = document["names"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ServerRequestError("names is not a list of texts")
    return check_names(names)


def dump_server_request(names: Iterable[str]) -> bytes:
    """Return the request for a server of these names; raises ServerRequestError."""
    return json.dumps({"names": check_names(names)}).encode()


def check_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names in the form of certificates, each once; raises ServerRequestError."""
    checked = tuple(dict.fromkeys(map(_check_name, names)))
    if not 0 < len(checked) <= MAX_NAMES:
        raise ServerRequestError(f"there are {len(checked)} names; give 1 to {MAX_NAMES}")
    return checked


def _check_name(name: str) -> str:
    if "%" not in name:  # a zone of IPv6 is of one host alone, and in no certificate
        with contextlib.suppress(ValueError):
            return str(ipaddress.ip_address(name))
    lowered = name.lower()
    if len(name) > MAX_NAME or DNS_NAME.fullmatch(lowered) is None:
        raise ServerRequestError(
            f"{printable(name, MAX_NAME)!r} is neither a DNS name nor an address, such as "
            "store.example or 192.0.2.7"
        )
    return lowered
