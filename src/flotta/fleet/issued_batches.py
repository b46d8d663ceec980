"""Registration batches as they are stored: what a Secret says, and what becomes of it.

For people and programs that write batches and wait for their certificates. The rules are in
docs/reference/control-plane.md#registration-batches.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias, cast

from cryptography import x509

from flotta.fleet.batch_specification import (
    SpecificationError,
    dump_specification,
    parse_specification,
)
from flotta.fleet.registration_batches import (
    AUTHORITY_KEY,
    BATCH_LABEL,
    CERTIFICATE_KEY,
    DEFAULT_NAMESPACE,
    ERROR_ANNOTATION,
    PRIVATE_KEY_KEY,
    SPECIFICATION_KEY,
    Specification,
    SpecificationFields,
    State,
)
from flotta.identity.errors import IdentityError
from flotta.identity.holder import Peer
from flotta.identity.issuers import issued_by, load_bundle
from flotta.identity.keys import to_traditional_pem
from flotta.identity.lifetime import load_certificate
from flotta.identity.peers import identify_peer
from flotta.own_names import REGISTRATION_LABEL
from flotta.resources.objects.core import ConfigMap, Secret
from flotta.resources.views import annotations_of, is_being_deleted, labels_of, name_of
from flotta.rfc3339 import format_time

TOLERANCE = timedelta(minutes=1)  # between the expiry of a batch and the end of its certificate
BatchState: TypeAlias = Literal["active", "waiting", "used up", "expired", "revoked", "invalid"]


@dataclass(frozen=True)
class IssuedBatch:
    """A batch as its Secret holds it. A text that is missing is empty."""

    name: str
    fields: SpecificationFields  # as written; of a Secret without a specification, as it counts
    specification: Specification | None  # None: it is invalid
    problem: str  # reason code and sentence of the Edge API, or why the specification is invalid
    certificate: str  # PEM
    key: str  # PEM, in the form that v0.2 reads; empty once the batch is revoked
    authority: str  # PEM of the Flotta CA's certificates
    peer: Peer | None  # what the certificate says, None without a readable one
    is_written: bool  # whether there is a specification; Secrets of earlier releases have none
    is_leaving: bool = False  # whether the Secret is being deleted

    @property
    def expires(self) -> datetime | None:
        """When the batch stops admitting; None while that is not decided."""
        given = self.specification.expires if self.specification else None
        return given or (self.peer.not_after if self.peer else None)

    @property
    def is_issued(self) -> bool:
        """Whether the certificate is there and is the one that the specification asks for."""
        wanted, peer = self.specification, self.peer
        if wanted is None or peer is None or not self.key:
            return False
        issuer = self._find_issuer()
        if issuer is None and (self.is_written or self.authority):
            return False
        until = wanted.expires or peer.not_after
        if issuer is not None:  # no certificate outlives its CA
            until = min(until, issuer.not_valid_after_utc)
        fits = set(peer.namespaces) == set(wanted.namespaces)
        return fits and abs(until - peer.not_after) < TOLERANCE

    def state_at(self, now: datetime, taken: int = 0) -> BatchState:
        """Return the state, given how many of its uses are taken."""
        wanted = self.specification
        if wanted is None:
            return "invalid"
        ended = wanted.state_at(now, self.peer.not_after if self.peer else None)
        if ended is not State.ACTIVE:
            return "revoked" if ended is State.REVOKED else "expired"
        if wanted.uses is not None and taken >= wanted.uses:
            return "used up"
        if self.problem:
            return "invalid"
        return "active" if self.is_issued else "waiting"

    def _find_issuer(self) -> x509.Certificate | None:
        """Return the CA in `authority` that issued the certificate, None if none did."""
        try:
            certificate = load_certificate(self.certificate)
            authorities = load_bundle(self.authority)
        except IdentityError:
            return None
        return next((ca for ca in authorities if issued_by(certificate, [ca])), None)


def is_batch(secret: Secret) -> bool:
    """Tell whether a Secret is a registration batch."""
    return labels_of(secret).get(REGISTRATION_LABEL) == "true"


def read_batch(secret: Secret) -> IssuedBatch:
    """Return the batch in a Secret, whatever is wrong with it."""
    data = secret.get("data") or {}
    certificate = _read_text(data, CERTIFICATE_KEY)
    peer = _read_certificate(certificate)
    written = _read_text(data, SPECIFICATION_KEY)
    problem = annotations_of(secret).get(ERROR_ANNOTATION, "")
    specification: Specification | None = None
    try:
        specification = parse_specification(written or _unwritten(peer))
    except SpecificationError as error:
        problem = problem or str(error)
    return IssuedBatch(
        name=name_of(secret),
        fields=_read_fields(written or _unwritten(peer)),
        specification=specification,
        problem=problem,
        certificate=certificate,
        key=_read_key(data),
        authority=_read_text(data, AUTHORITY_KEY),
        peer=peer,
        is_written=bool(written),
        is_leaving=is_being_deleted(secret),
    )


def make_batch(name: str, namespace: str, fields: SpecificationFields) -> Secret:
    """Return the Secret that asks for a batch; raises SpecificationError."""
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": {REGISTRATION_LABEL: "true"}},
        "type": "Opaque",
        "data": {SPECIFICATION_KEY: encode_specification(fields)},
    }


def encode_specification(fields: SpecificationFields) -> str:
    """Return the entry of a Secret for a specification; raises SpecificationError."""
    return base64.b64encode(dump_specification(fields).encode()).decode()


def count_uses(uses: Iterable[ConfigMap]) -> dict[str, int]:
    """Return how many uses are taken, by the name of the batch."""
    taken: dict[str, int] = {}
    for use in uses:
        batch = labels_of(use).get(BATCH_LABEL, "")
        taken[batch] = taken.get(batch, 0) + 1
    return taken


def describe(batch: IssuedBatch, now: datetime, taken: int = 0) -> dict[str, object]:
    """Return what a batch is as data for people and programs, without its key."""
    return {
        "name": batch.name,
        "state": batch.state_at(now, taken),
        "problem": batch.problem,
        "uses_taken": taken,
        "uses": batch.specification.uses if batch.specification else None,
        "expires": format_time(batch.expires) if batch.expires else "",
        "certificate_fingerprint": batch.peer.fingerprint if batch.peer else "",
        "specification": batch.fields,
    }


def _unwritten(peer: Peer | None) -> str:
    """Return the specification of a Secret without one: that of earlier releases."""
    namespaces = list(peer.namespaces) if peer else [DEFAULT_NAMESPACE]
    return json.dumps({"namespaces": namespaces})


def _read_fields(text: str) -> SpecificationFields:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return cast("SpecificationFields", fields) if isinstance(fields, dict) else {}


def _read_text(data: Mapping[str, str], key: str) -> str:
    try:
        return base64.b64decode(data.get(key, "")).decode()
    except ValueError:
        return ""


def _read_key(data: Mapping[str, str]) -> str:
    pem = _read_text(data, PRIVATE_KEY_KEY)
    try:
        return to_traditional_pem(pem.encode()).decode() if pem else ""
    except ValueError:
        return ""


def _read_certificate(pem: str) -> Peer | None:
    try:
        peer = identify_peer(load_certificate(pem))
    except ValueError:
        return None
    return peer if peer.kind == "registration" else None
