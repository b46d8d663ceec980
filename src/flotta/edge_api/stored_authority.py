"""The fleet's CA as its Secret holds it, with what rollovers left there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from flotta.edge_api.backends.backend import StoredSecret
from flotta.identity.authority import CLOCK_SKEW, Authority
from flotta.identity.errors import IdentityError
from flotta.identity.holder import Peer
from flotta.identity.issuers import issued_by, load_bundle
from flotta.rfc3339 import parse_time

CROSS = "cross.crt"  # its name and key, signed by the CA before it, which has one itself, and so on
FORMER = "former.crt"  # of the CAs in ca.crt, those that a rollover is to take out
FINISHED = "finished"  # when the CA before it was taken out, RFC 3339
REQUEST = "rollover"  # the id of the request that the Secret was written for
LATE = timedelta(seconds=30)  # after the end, in which servers may not have seen it yet
MAX_CROSS = 8  # cross certificates that are kept and served: as many rollovers


@dataclass(frozen=True)
class StoredAuthority:
    """A CA, the PEMs that vouch for it (or b""), and what its rollover left or is to take out."""

    authority: Authority
    cross: bytes = b""
    finished: datetime | None = None
    former: tuple[x509.Certificate, ...] = ()

    def wants_renewal(self, peer: Peer, now: datetime | None = None) -> bool:
        """Tell whether a device is to renew: its certificate or its list of CAs is a former one.

        An end of the rollover in the future was written by a wrong clock. A certificate may come
        from a server that had not seen the end yet, so what is a little younger counts too.
        """
        if self.authority.has_others and peer.authority != self.authority.identifier:
            return True
        if self.finished is None or self.finished > (now or datetime.now(UTC)) + CLOCK_SKEW:
            return False
        return peer.not_before + CLOCK_SKEW <= self.finished + LATE


def read_authority(secret: StoredSecret) -> StoredAuthority:
    """Return the CA in a Secret; raises IdentityError when it is not usable."""
    try:
        pem, key = secret.data["ca.crt"], secret.data["ca.key"]
    except KeyError as error:
        raise IdentityError(
            f"Secret {secret.name!r} has no key {error.args[0]!r}; add it or delete the Secret."
        ) from error
    try:
        authority = Authority.from_pem(pem, key)
    except IdentityError as error:
        raise IdentityError(
            f"Secret {secret.name!r} cannot be used: {error} Mend it, or restore it from a backup: "
            "with another CA every device has to join again."
        ) from error
    return StoredAuthority(
        authority,
        _read_cross(secret, authority),
        _read_finished(secret),
        _read_former(secret, authority),
    )


def _read_cross(secret: StoredSecret, authority: Authority) -> bytes:
    """Return the chain that vouches for this CA, as far as each link vouches for the one before.

    Without it, or when it vouches for another key, it is b"".
    """
    try:
        links = load_bundle(secret.data.get(CROSS, b""))[:MAX_CROSS]
    except IdentityError:
        return b""
    if links[0].public_key() != authority.certificate.public_key():
        return b""
    kept = links[:1]
    for link in links[1:]:
        if not issued_by(kept[-1], [link]):
            break
        kept.append(link)
    return b"".join(link.public_bytes(Encoding.PEM) for link in kept)


def _read_former(secret: StoredSecret, authority: Authority) -> tuple[x509.Certificate, ...]:
    try:
        former = load_bundle(secret.data.get(FORMER, b""))
    except IdentityError:
        return ()
    trusted = load_bundle(authority.certificate_pem)
    return tuple(item for item in former if item in trusted and item != authority.certificate)


def _read_finished(secret: StoredSecret) -> datetime | None:
    try:
        return parse_time(secret.data.get(FINISHED, b"").decode())
    except ValueError:
        return None
