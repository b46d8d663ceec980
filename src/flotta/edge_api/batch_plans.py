"""What becomes of the secret of a registration batch: a pure decision.

The rules are in docs/reference/control-plane.md#certificates-of-batches.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from cryptography import x509

from flotta.edge_api.backends.backend import StoredSecret
from flotta.edge_api.batches import fingerprints_of
from flotta.edge_api.secret_changes import SecretChange, change_if_new
from flotta.fleet.batch_specification import SpecificationError, parse_specification
from flotta.fleet.registration_batches import (
    AUTHORITY_KEY,
    CERTIFICATE_KEY,
    FORMER_KEY,
    MAX_BATCH_NAME,
    PRIVATE_KEY_KEY,
    REMOVAL_DAYS,
    SPECIFICATION_KEY,
    Specification,
    State,
    is_batch_name,
    write_former,
)
from flotta.identity.authority import Authority
from flotta.identity.errors import IdentityError
from flotta.identity.lifetime import load_certificate, valid_at
from flotta.identity.peers import certificate_namespaces
from flotta.own_names import CA_SECRET, HOST_SECRET
from flotta.protocol.reasons.refusals import REGISTRATION_BATCH_INVALID


def plan_batch(secret: StoredSecret, authority: Authority, now: datetime) -> SecretChange | None:
    """Return what to change in the secret of a batch, None for nothing.

    Secrets without a specification are left alone: administrators keep them.
    """
    text = secret.data.get(SPECIFICATION_KEY)
    if text is None or not secret.registers or secret.name in (CA_SECRET, HOST_SECRET):
        return None
    try:
        specification = parse_specification(text)
        _require_name(secret.name)
    except SpecificationError as error:
        return change_if_new(secret, secret.data, f"{REGISTRATION_BATCH_INVALID}: {error}")
    certificate = _certificate(secret)
    end = certificate.not_valid_after_utc if certificate else None
    state = specification.state_at(now, end)
    if state is State.ACTIVE:
        return _plan_active(secret, specification, certificate, authority)
    removed = {PRIVATE_KEY_KEY} if state is State.REVOKED else set()
    data = {key: value for key, value in secret.data.items() if key not in removed}
    problem = "" if certificate or state is State.REVOKED else _past()
    change = change_if_new(secret, data, problem)
    ended = specification.ended_at(now, end)
    if change is None and certificate and ended and _may_be_removed(ended, authority, now):
        return SecretChange(None)
    return change


def _may_be_removed(ended: datetime, authority: Authority, now: datetime) -> bool:
    """Tell whether a batch ended long ago, by a clock at which the CA is valid."""
    # `ended` may be any date: a sum could overflow.
    return now - ended >= timedelta(days=REMOVAL_DAYS) and valid_at(authority.certificate, now)


def _require_name(name: str) -> None:
    if not is_batch_name(name):
        raise SpecificationError(
            "metadata.name",
            f"is not one DNS label of at most {MAX_BATCH_NAME} characters; delete the Secret and "
            "create it with another name",
        )


def _past() -> str:
    return f"{REGISTRATION_BATCH_INVALID}: expires is in the past"


def _plan_active(
    secret: StoredSecret,
    specification: Specification,
    certificate: x509.Certificate | None,
    authority: Authority,
) -> SecretChange | None:
    bundle = {AUTHORITY_KEY: authority.certificate_pem}
    if certificate and _fits(certificate, specification, authority) and _has_key(secret):
        return change_if_new(secret, {**secret.data, **bundle})
    issued = authority.issue_registration(specification.namespaces, until=specification.expires)
    former = () if _was_revoked(secret) else fingerprints_of(secret)
    known = {key: value for key, value in secret.data.items() if key != FORMER_KEY}
    return SecretChange(
        {
            **known,
            **bundle,
            **({FORMER_KEY: write_former(former).encode()} if former else {}),
            CERTIFICATE_KEY: issued.certificate,
            PRIVATE_KEY_KEY: issued.key,
        }
    )


def _was_revoked(secret: StoredSecret) -> bool:
    """Tell whether the key was removed: whoever took the certificates gets nothing by them."""
    return CERTIFICATE_KEY in secret.data and not _has_key(secret)


def _fits(
    certificate: x509.Certificate, specification: Specification, authority: Authority
) -> bool:
    """Tell whether a certificate says what the specification does, and the CA still issues."""
    end = certificate.not_valid_after_utc
    wanted = specification.expires
    right_end = wanted is None or end == min(wanted.replace(microsecond=0), authority.not_after)
    try:
        namespaces = set(certificate_namespaces(certificate)) == set(specification.namespaces)
    except ValueError:  # an administrator put a certificate of something else there
        return False
    return right_end and namespaces and authority.has_issued(certificate)


def _has_key(secret: StoredSecret) -> bool:
    return bool(secret.data.get(PRIVATE_KEY_KEY))


def _certificate(secret: StoredSecret) -> x509.Certificate | None:
    try:
        return load_certificate(secret.data.get(CERTIFICATE_KEY, b""))
    except IdentityError:
        return None
