# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/fleet/issued_servers.py: change that.
"""Certificates of other servers as they are stored, for people and programs that ask for them.

The rules are in docs/reference/control-plane.md#certificates-of-other-servers.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

try:
    from cryptography import x509
except ImportError:  # the plugin that needs it says so
    x509 = None

from ..identity.errors import IdentityError
from ..identity.expiry import Expiry
from ..identity.issuers import issued_by, load_bundle
from ..identity.keys import load_key
from ..identity.lifetime import covered_names, load_certificate
from ..identity.server_requests import (
    AUTHORITY_KEY,
    CERTIFICATE_KEY,
    PRIVATE_KEY_KEY,
    REQUEST_KEY,
    dump_server_request,
    parse_server_request,
)
from ..own_names import SERVER_ERROR_ANNOTATION, SERVER_LABEL
from ..resources.objects.core import Secret
from ..resources.views import annotations_of, is_being_deleted, labels_of, name_of

LONGEST_NAME = 63  # characters of a name that is derived from a server's


@dataclass(frozen=True)
class IssuedServer:
    """The certificate of a server as its Secret holds it. A text that is missing is empty."""

    name: str
    names: tuple[str, ...]  # that are asked for; none: the request cannot be read
    problem: str  # reason code and sentence of the Edge API, or why the request cannot be read
    certificate: str  # PEM
    key: str  # PEM
    authority: str  # PEM of the Flotta CA's certificates
    is_leaving: bool = False  # whether the Secret is being deleted

    @property
    def is_issued(self) -> bool:
        """Whether the certificate is there, and is what the request asks for."""
        certificate = self._load()
        try:
            key = load_key(self.key)
            authorities = load_bundle(self.authority)
        except IdentityError:
            return False
        return (
            certificate is not None
            and covered_names(self.certificate) == frozenset(self.names)
            and certificate.public_key() == key.public_key()
            and issued_by(certificate, authorities)
        )

    @property
    def expiry(self) -> Expiry | None:
        """When the certificate expires, None without one."""
        certificate = self._load()
        return Expiry.of("other server", self.name, certificate) if certificate else None

    def _load(self) -> x509.Certificate | None:
        try:
            return load_certificate(self.certificate)
        except IdentityError:
            return None


def is_server(secret: Secret) -> bool:
    """Tell whether a Secret asks for the certificate of another server."""
    return labels_of(secret).get(SERVER_LABEL) == "true"


def read_server(secret: Secret) -> IssuedServer:
    """Return what a Secret says, whatever is wrong with it."""
    data = secret.get("data") or {}
    problem, names = annotations_of(secret).get(SERVER_ERROR_ANNOTATION, ""), tuple[str, ...]()
    try:
        names = parse_server_request(_read(data, REQUEST_KEY))
    except IdentityError as error:
        problem = problem or str(error)
    texts = (CERTIFICATE_KEY, PRIVATE_KEY_KEY, AUTHORITY_KEY)
    certificate, key, authority = (_read(data, name).decode(errors="replace") for name in texts)
    return IssuedServer(
        name=name_of(secret),
        names=names,
        problem=problem,
        certificate=certificate,
        key=key,
        authority=authority,
        is_leaving=is_being_deleted(secret),
    )


def make_server(name: str, namespace: str, names: Iterable[str]) -> Secret:
    """Return the Secret that asks for a certificate; raises ServerRequestError."""
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": {SERVER_LABEL: "true"}},
        "type": "Opaque",
        "data": {REQUEST_KEY: encode_request(names)},
    }


def encode_request(names: Iterable[str]) -> str:
    """Return the entry of a Secret for a request; raises ServerRequestError."""
    return base64.b64encode(dump_server_request(names)).decode()


def derive_name(server: str) -> str:
    """Return the name of the Secret for a server, from its first name: `server-store-example`."""
    words = re.sub("[^a-z0-9]+", "-", server.lower()).strip("-")
    return f"server-{words}"[:LONGEST_NAME].rstrip("-")


def _read(data: Mapping[str, str], key: str) -> bytes:
    try:
        return base64.b64decode(data.get(key, ""))
    except ValueError:
        return b""
