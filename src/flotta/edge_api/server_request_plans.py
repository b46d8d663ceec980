"""What becomes of a secret that asks for the certificate of another server: a pure decision.

The rules are in docs/reference/control-plane.md#certificates-of-other-servers.
"""

from __future__ import annotations

from datetime import datetime

from flotta.edge_api.backends.backend import StoredSecret
from flotta.edge_api.secret_changes import SecretChange, change_if_new
from flotta.identity.authority import Authority
from flotta.identity.errors import IdentityError
from flotta.identity.keys import load_key
from flotta.identity.lifetime import covered_names, load_certificate, renewal_due
from flotta.identity.server_requests import (
    AUTHORITY_KEY,
    CERTIFICATE_KEY,
    PRIVATE_KEY_KEY,
    REQUEST_KEY,
    ServerRequestError,
    parse_server_request,
)
from flotta.own_names import CA_SECRET, HOST_SECRET
from flotta.protocol.reasons.authority import SERVER_REQUEST_INVALID


def plan_server_request(
    secret: StoredSecret, authority: Authority, now: datetime
) -> SecretChange | None:
    """Return what to change in the secret, None for nothing.

    One without a request is left alone. Raises AuthorityError when the CA cannot issue.
    """
    text = secret.data.get(REQUEST_KEY)
    if text is None or not secret.serves or secret.name in (CA_SECRET, HOST_SECRET):
        return None
    try:
        names = parse_server_request(text)
    except ServerRequestError as error:
        return change_if_new(secret, secret.data, f"{SERVER_REQUEST_INVALID}: {error}")
    data = {**secret.data, AUTHORITY_KEY: authority.certificate_pem}
    if not _fits(secret, names, authority, now):
        issued = authority.issue_server(names)
        data |= {CERTIFICATE_KEY: issued.certificate, PRIVATE_KEY_KEY: issued.key}
    return change_if_new(secret, data)


def _fits(
    secret: StoredSecret, names: tuple[str, ...], authority: Authority, now: datetime
) -> bool:
    """Tell whether the certificate is what the request asks for, and not due."""
    try:
        pem, key = secret.data[CERTIFICATE_KEY], load_key(secret.data[PRIVATE_KEY_KEY])
        certificate = load_certificate(pem)
        return (
            covered_names(pem) == frozenset(names)
            and authority.has_issued(certificate)
            and certificate.public_key() == key.public_key()
            and not renewal_due(pem, now)
        )
    except (KeyError, IdentityError):
        return False
