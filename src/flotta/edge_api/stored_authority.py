"""The fleet's CA as its Secret holds it, with what rollovers left there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flotta.edge_api.backends.backend import StoredSecret
from flotta.identity.authority import CLOCK_SKEW, Authority
from flotta.identity.errors import IdentityError
from flotta.identity.lifetime import load_certificate
from flotta.identity.peers import Peer
from flotta.rfc3339 import parse_time

CROSS = "cross.crt"  # its name and key, signed by the CA before it
FINISHED = "finished"  # when the CA before it was taken out, RFC 3339
REQUEST = "rollover"  # the id of the request that the Secret was written for


@dataclass(frozen=True)
class StoredAuthority:
    """A CA, the PEM that vouches for it (or b""), and when its rollover ended."""

    authority: Authority
    cross: bytes = b""
    finished: datetime | None = None

    def wants_renewal(self, peer: Peer) -> bool:
        """Tell whether a device is to renew: its certificate or its list of CAs is a former one."""
        if self.authority.has_former:
            return peer.authority != self.authority.identifier
        return self.finished is not None and peer.not_before + CLOCK_SKEW <= self.finished


def read_authority(secret: StoredSecret) -> StoredAuthority:
    """Return the CA in a Secret; raises IdentityError when it is not usable."""
    try:
        pem, key = secret.data["ca.crt"], secret.data["ca.key"]
    except KeyError as error:
        raise IdentityError(
            f"Secret {secret.name!r} has no key {error.args[0]!r}; add it or delete the Secret."
        ) from error
    authority = Authority.from_pem(pem, key)
    return StoredAuthority(authority, _read_cross(secret, authority), _read_finished(secret))


def _read_cross(secret: StoredSecret, authority: Authority) -> bytes:
    """Return what vouches for this CA; b"" without it, or when it vouches for another key."""
    pem = secret.data.get(CROSS, b"")
    try:
        fits = load_certificate(pem).public_key() == authority.certificate.public_key()
    except IdentityError:
        return b""
    return pem if fits else b""


def _read_finished(secret: StoredSecret) -> datetime | None:
    try:
        return parse_time(secret.data.get(FINISHED, b"").decode())
    except ValueError:
        return None
