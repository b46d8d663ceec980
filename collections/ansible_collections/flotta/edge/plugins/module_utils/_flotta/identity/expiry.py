# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/identity/expiry.py: change that.
"""When certificates expire, and how long before that somebody should know.

The times are in docs/how-to/roll-the-ca.md#what-expires-when. What is renewed in time never warns:
everything but CAs is renewed when a third of its validity is left.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

try:
    from cryptography import x509
except ImportError:  # the plugin that needs it says so
    x509 = None

Kind = Literal[
    "CA",
    "former CA",
    "other CA",
    "server",
    "client",  # of the Edge API for a remote data store
    "other server",
    "data store",
    "registration",
    "device",
    "engine",
]
State = Literal["valid", "expires soon", "expired"]

LEAF_PART = 6  # a sixth of its validity is left, twice as late as it should have been renewed
LONGEST_WARNING = timedelta(days=61)  # of a leaf: engine certificates are valid since 1970
AUTHORITY_PART, AUTHORITY_WARNING = 3, timedelta(days=365)
# A batch ends because somebody wanted it: only one that was meant to last is worth a word.
LASTING_BATCH, BATCH_WARNING = timedelta(days=60), timedelta(days=14)
NO_WARNING = timedelta(0)


@dataclass(frozen=True)
class Expiry:
    """A certificate, and the name by which people find it."""

    kind: Kind
    name: str
    not_before: datetime
    not_after: datetime

    @classmethod
    def of(cls, kind: Kind, name: str, certificate: x509.Certificate) -> Expiry:
        """Return the expiry of a certificate."""
        return cls(kind, name, certificate.not_valid_before_utc, certificate.not_valid_after_utc)

    @property
    def warning_time(self) -> timedelta:
        """How long before it expires somebody should know; zero for never."""
        validity = self.not_after - self.not_before
        match self.kind:
            case "CA":
                return min(AUTHORITY_WARNING, validity / AUTHORITY_PART)
            case "former CA" | "other CA":
                return NO_WARNING
            case "registration":
                return BATCH_WARNING if validity >= LASTING_BATCH else NO_WARNING
        return min(LONGEST_WARNING, validity / LEAF_PART)

    @property
    def warning(self) -> datetime:
        """From when on somebody should know."""
        return self.not_after - self.warning_time

    def state_at(self, now: datetime) -> State:
        """Return its state at a time with zone."""
        if now > self.not_after:
            return "expired"
        return "expires soon" if now > self.warning else "valid"

    def is_urgent(self, now: datetime) -> bool:
        """Tell whether somebody has to do something.

        A registration batch that has expired did what it was meant to; what is left of a former CA
        is its devices, which are told one by one.
        """
        state = self.state_at(now)
        ends_by_itself = self.kind in ("registration", "former CA", "other CA")
        return state == "expires soon" or (state == "expired" and not ends_by_itself)


def leave_out_superseded(
    batches: Iterable[tuple[Expiry, frozenset[str]]], prefix: str
) -> list[Expiry]:
    """Return registration batches without those that the Edge API has replaced by later ones.

    Each comes with its namespaces; the Edge API's own have names that begin with `prefix`.
    """
    found = list(batches)
    own = [(expiry, spaces) for expiry, spaces in found if expiry.name.startswith(prefix)]
    return [
        expiry
        for expiry, spaces in found
        if (expiry, spaces) not in own
        or not any(other[1] == spaces and other[0].not_after > expiry.not_after for other in own)
    ]


def advise(kind: Kind) -> str:
    """Return what to do about a certificate of a kind that expires."""
    match kind:
        case "CA":
            return "Roll the CA over: flotta certificates roll-ca"
        case "former CA":
            return "End the rollover: flotta certificates finish-ca"
        case "other CA":
            return "Replace it in ca.crt of Secret flotta-ca, where you added it"
        case "server" | "client":
            return (
                "Start an Edge API, which renews it, or replace it in Secret "
                "flotta-host-certificate if it is of your own PKI"
            )
        case "data store":
            return (
                "Issue it again, and install it there: flotta certificates issue --server NAMES "
                "--output DIR"
            )
        case "other server":
            return "Start an Edge API, which renews it, and install it on its server"
        case "registration":
            return "Issue a new batch if devices are still to join: flotta registration issue"
        case "device":
            return "Bring the device online, or read there: journalctl -u flotta-gateway"
        case "engine":
            return (
                "Run the role flotta.edge.operator, which renews it; a kubeconfig of another "
                "cluster comes from there"
            )
