"""When the certificates of a fleet expire, from what everybody may read: no key is needed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from flotta.fleet.issued_batches import IssuedBatch
from flotta.fleet.joining import was_heard
from flotta.identity.authority import key_identifier
from flotta.identity.errors import IdentityError
from flotta.identity.expiry import Expiry, leave_out_superseded
from flotta.identity.issuers import load_bundle
from flotta.identity.lifetime import load_certificate
from flotta.own_names import HOST_SECRET, OWN_BATCH_PREFIX
from flotta.printable_text import printable
from flotta.resources.objects.core import ConfigMap
from flotta.resources.objects.devices import EdgeDevice
from flotta.resources.views import name_of, namespace_of, status_of
from flotta.rfc3339 import parse_time

NAME_LENGTH = 8  # characters of a key identifier that name a CA


@dataclass(frozen=True)
class PublishedCertificates:
    """The CAs that are trusted, the one that issues first, and the server's certificate."""

    authorities: tuple[x509.Certificate, ...]
    server: x509.Certificate
    former: tuple[x509.Certificate, ...] = ()  # those that a rollover is to take out

    @property
    def issuing(self) -> str:
        """The key identifier in hex of the CA that issues."""
        return key_identifier(self.authorities[0])


@dataclass(frozen=True)
class DeviceCertificates:
    """What is known of the devices' certificates; the lists have `namespace/name`."""

    expiries: tuple[Expiry, ...]
    former: tuple[str, ...]  # of another CA than the one that issues
    unknown: tuple[str, ...]  # none seen, since a release that records it
    total: int


def read_published(config_map: ConfigMap | None) -> PublishedCertificates | None:
    """Return what the Edge API published, None when there is nothing readable."""
    data = (config_map.get("data") if config_map else None) or {}
    try:
        authorities = tuple(load_bundle(data.get("ca.crt", "")))
        server = load_certificate(data.get("server.crt", ""))
        former = load_bundle(data["former.crt"]) if "former.crt" in data else ()
        return PublishedCertificates(authorities, server, tuple(former))
    except IdentityError:
        return None


def list_published(published: PublishedCertificates) -> list[Expiry]:
    """Return the expiries of CAs and server."""
    first, *others = published.authorities
    return [
        Expiry.of("CA", key_identifier(first)[:NAME_LENGTH], first),
        *(
            Expiry.of(
                "former CA" if other in published.former else "other CA",
                key_identifier(other)[:NAME_LENGTH],
                other,
            )
            for other in others
        ),
        Expiry.of("server", HOST_SECRET, published.server),
    ]


def list_batches(batches: Iterable[IssuedBatch]) -> list[Expiry]:
    """Return the expiries of batches that have a certificate, not revoked and not superseded."""
    found = [
        (
            Expiry("registration", batch.name, batch.peer.not_before, batch.expires),
            frozenset(batch.peer.namespaces),
        )
        for batch in batches
        if batch.peer is not None and batch.expires is not None and batch.key
    ]
    return leave_out_superseded(found, OWN_BATCH_PREFIX)


def read_devices(devices: Iterable[EdgeDevice], issuing: str) -> DeviceCertificates:
    """Return what the devices' status says; those that never joined do not count.

    `issuing` is the key identifier of the CA that issues.
    """
    expiries: list[Expiry] = []
    former: list[str] = []
    unknown: list[str] = []
    joined = [device for device in devices if was_heard(device)]
    for device in joined:
        name = f"{namespace_of(device)}/{name_of(device)}"
        expiry = _read_expiry(device, name)
        if expiry is None:
            unknown.append(name)
            continue
        expiries.append(expiry)
        if issuing and status_of(device)["certificate"].get("authority") != issuing:
            former.append(name)
    return DeviceCertificates(tuple(expiries), tuple(former), tuple(unknown), len(joined))


def _read_expiry(device: EdgeDevice, name: str) -> Expiry | None:
    certificate = status_of(device).get("certificate", {})
    begin, end = (_read_time(certificate.get(key)) for key in ("notBefore", "notAfter"))
    return Expiry("device", printable(name), begin, end) if begin and end else None


def _read_time(text: object) -> datetime | None:
    try:
        return parse_time(text) if isinstance(text, str) else None
    except ValueError:
        return None
