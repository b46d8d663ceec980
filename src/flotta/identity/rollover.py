"""The rollover of the fleet's CA: what an administrator asks for, and what the Edge API answers.

docs/explanation/security.md#the-ca-is-rolled-over has the order of the steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cryptography import x509
from cryptography.x509.oid import NameOID

from flotta.identity.authority import Authority
from flotta.identity.subjects import ORGANIZATION
from flotta.protocol.reasons.reason import NO_REASON, Code

ROLL: Literal["Roll"] = "Roll"
FINISH: Literal["Finish"] = "Finish"
Phase = Literal["Roll", "Finish"]
FLEET_CA = "flotta-ca"  # common name


@dataclass(frozen=True)
class RolloverRequest:
    """A request of an administrator; `id` tells it from earlier ones."""

    id: str
    phase: Phase
    forced: bool = False  # finish although devices have certificates of the former CA
    by: str = ""


@dataclass(frozen=True)
class RolloverAnswer:
    """What became of a request; `code` is why it was refused."""

    message: str
    code: Code = NO_REASON

    @property
    def is_refusal(self) -> bool:
        """Whether nothing was done."""
        return self.code != NO_REASON


@dataclass(frozen=True)
class Succession:
    """A new CA whose bundle trusts the former one, too, and the PEM that vouches for it."""

    authority: Authority
    cross: bytes


def succeed(former: Authority) -> Succession:
    """Return a new CA.

    Its name is that of every CA of a fleet: path lengths do not count a certificate that has the
    name of its issuer (RFC 5280, 4.2.1.9), and CAs of earlier releases allow no other.
    """
    successor = Authority.create(FLEET_CA)
    return Succession(former.succeeded_by(successor), former.cross_sign(successor))


def is_of_fleet(certificate: x509.Certificate) -> bool:
    """Tell whether a CA was made by a control plane, also of v0.2, and not by the user's PKI."""
    names = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return any(name.value == ORGANIZATION for name in names)
