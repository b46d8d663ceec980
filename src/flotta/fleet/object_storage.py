"""Which bucket a device synchronises with, and with what credentials.

A bound bucket claim (`status.dataObc`) wins over external storage named in the spec that is in
force (control-plane specification 4.2, 4.6). The values come from a ConfigMap and a Secret; those
of a claim have the claim's name. The address in a claim's ConfigMap is often for the cluster's
inside, so OpenShift's Route, or the operator's endpoint for devices, takes its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from flotta.protocol.models import S3StorageConfiguration
from flotta.resources.kinds import BUCKET_CLAIM, ROUTE, SECRET

from .pieces import Pieces
from .references import BrokenReference, Source

NOOBAA_CLASS = "openshift-storage.noobaa.io"
NOOBAA_ROUTE = ("openshift-storage", "s3")
ROUTER_CA = ("openshift-ingress-operator", "router-ca")
DEFAULT_REGION = "us-east-1"
HTTPS = "443"


@dataclass(frozen=True)
class _Address:
    """Where a bucket is, in place of what the ConfigMap says, and the CA of its certificate."""

    host: str
    port: str = HTTPS
    authority: str | None = None  # base64; None: as in the Secret


def storage(
    device: Mapping[str, Any], spec: Mapping[str, Any], source: Source, endpoint: str = ""
) -> S3StorageConfiguration | None:
    """Return the device's storage, None when none is wanted; BrokenReference names all that lacks.

    `endpoint` is the `https://host:port` by which devices reach the buckets of claims, if set.
    """
    namespace = device["metadata"]["namespace"]
    claim = (device.get("status") or {}).get("dataObc")
    if claim:
        pieces = Pieces(source, namespace, config_map=claim, secret=claim)
        address = _address_of_claim(source, namespace, claim, endpoint, pieces)
        return _configuration(pieces, address, port=HTTPS, region=DEFAULT_REGION)
    names = _external(spec)
    if names is None:
        return None
    return _configuration(Pieces(source, namespace, *names), None)


def _configuration(
    pieces: Pieces, address: _Address | None, port: str | None = None, region: str | None = None
) -> S3StorageConfiguration:
    """Put the pieces together; `port` and `region` are what to use when the ConfigMap lacks them."""
    found = S3StorageConfiguration(
        bucket_name=pieces.value("BUCKET_NAME"),
        bucket_host=address.host if address else pieces.host("BUCKET_HOST"),
        bucket_port=pieces.port("BUCKET_PORT", port, given=address.port if address else None),
        bucket_region=pieces.value("BUCKET_REGION", region),
        aws_access_key_id=pieces.credential("AWS_ACCESS_KEY_ID"),
        aws_secret_access_key=pieces.credential("AWS_SECRET_ACCESS_KEY"),
        aws_ca_bundle=pieces.optional_secret("tls.crt"),
    )
    if address and address.authority is not None:
        found.aws_ca_bundle = address.authority
    pieces.require_whole()
    return found


def _address_of_claim(
    source: Source, namespace: str, claim: str, endpoint: str, pieces: Pieces
) -> _Address | None:
    found = source.lookup(BUCKET_CLAIM, namespace, claim) or {}
    if (found.get("spec") or {}).get("storageClassName") == NOOBAA_CLASS:
        return _route(source, pieces)
    if endpoint:
        url = urlsplit(endpoint)
        return _Address(url.hostname or "", str(url.port or HTTPS))
    return None


def _route(source: Source, pieces: Pieces) -> _Address:
    route = source.lookup(ROUTE, *NOOBAA_ROUTE) or {}
    host = (route.get("spec") or {}).get("host") or ""
    if not host:
        pieces.lack(f"Route {'/'.join(NOOBAA_ROUTE)} does not exist, cannot be read or has no host")
    authority = (source.lookup(SECRET, *ROUTER_CA) or {}).get("data") or {}
    return _Address(host, authority=authority.get("tls.crt", "").strip())


def _external(spec: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the names of ConfigMap and Secret."""
    s3 = (spec.get("storage") or {}).get("s3") or {}
    names = s3.get("configMapName") or "", s3.get("secretName") or ""
    if not any(names):
        return None
    if not all(names):
        raise BrokenReference("storage.s3 needs both configMapName and secretName")
    return names
