"""What the status of a device says about its certificate."""

from __future__ import annotations

from flotta.identity.holder import Peer
from flotta.resources.objects.devices import DeviceCertificate
from flotta.rfc3339 import format_time


def describe_certificate(peer: Peer) -> DeviceCertificate:
    """Return `status.certificate` for the certificate that a device used."""
    described: DeviceCertificate = {
        "notBefore": format_time(peer.not_before),
        "notAfter": format_time(peer.not_after),
        "serialNumber": peer.serial_number,
    }
    if peer.authority:
        described["authority"] = peer.authority
    return described
