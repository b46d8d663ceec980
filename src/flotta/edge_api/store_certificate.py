"""The certificate by which a remote data store knows the Edge API.

It lies in the Secret of the server certificate. Its organization is not that of the fleet, so it
passes for neither a device nor a registration certificate, and no device has its subject
(docs/reference/wire-protocol.md#certificate-classes).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import NameOID

from flotta.identity.authority import Authority, AuthorityError, CertificateAndKey
from flotta.identity.errors import IdentityError
from flotta.identity.keys import load_key
from flotta.identity.lifetime import load_certificate, renewal_due
from flotta.own_names import EDGE_API, HOST_SECRET

CERTIFICATE, KEY = "client.crt", "client.key"
log = logging.getLogger(__name__)


def renew_client(
    data: Mapping[str, bytes], authority: Authority, now: datetime
) -> dict[str, bytes]:
    """Return what to change in the Secret, nothing while its certificate is good.

    One of the user's own PKI stays as it is. Raises IdentityError for one that cannot be read, and
    where there is none and the CA has expired.
    """
    reason = _reason_to_renew(data, authority, now)
    if reason is None:
        return {}
    try:
        issued = authority.issue_client(EDGE_API, (EDGE_API,))
    except AuthorityError as error:
        if not is_pair(data):
            raise
        log.error("The certificate for the data store stays, although %s: %s", reason, error)
        return {}
    log.info("Issuing a new certificate for the data store: %s", reason)
    return {CERTIFICATE: issued.certificate, KEY: issued.key}


def is_pair(data: Mapping[str, bytes]) -> bool:
    """Tell whether the Secret has a certificate for the store, and its key."""
    pair = CertificateAndKey(data.get(CERTIFICATE, b""), data.get(KEY, b""))
    try:
        return load_certificate(pair.certificate).public_key() == load_key(pair.key).public_key()
    except IdentityError:
        return False


def _reason_to_renew(data: Mapping[str, bytes], authority: Authority, now: datetime) -> str | None:
    if CERTIFICATE not in data:
        return "there is none yet"
    certificate = _load(data[CERTIFICATE])
    if not _is_own(certificate):
        _require_pair(data)
        return None  # users renew their own certificates
    if not is_pair(data):
        return "its key is missing, or belongs to another certificate"
    if not authority.has_issued(certificate):
        return "the CA of the fleet was replaced"
    if renewal_due(data[CERTIFICATE], now):
        return "two thirds of its validity have passed"
    return None


def _load(pem: bytes) -> x509.Certificate:
    try:
        return load_certificate(pem)
    except IdentityError as error:
        raise IdentityError(
            f"{CERTIFICATE} in Secret {HOST_SECRET} is not a readable PEM certificate; mend it, or "
            "remove this key from the Secret: then a new one is issued."
        ) from error


def _is_own(certificate: x509.Certificate) -> bool:
    names = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return [name.value for name in names] == [EDGE_API]


def _require_pair(data: Mapping[str, bytes]) -> None:
    if not is_pair(data):
        raise IdentityError(
            f"{CERTIFICATE} in Secret {HOST_SECRET} is of your own PKI, and {KEY} beside it is not "
            "its key; write both, or remove both: then the Edge API issues them."
        )
