"""Which bucket a device synchronises with, and with what credentials.

A bound bucket claim (`status.dataObc`) of the device wins over external storage named in the spec
in effect (docs/reference/control-plane.md#storage). A claim that is not the device's counts for
nothing, whatever the status says: the operator's status may be old.

The values come from a ConfigMap and a Secret; those of a claim have the claim's name and the claim
as their owner. The address in a claim's ConfigMap is often reachable only inside the cluster, so
OpenShift's Route, or the endpoint for devices in the settings, replaces it.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from flotta.fleet.bucket_credentials import BucketCredentials
from flotta.fleet.claim_ownership import NOOBAA_CLASS, is_claim_of
from flotta.fleet.references import BrokenReference, ObjectSource
from flotta.protocol.models import S3StorageConfiguration
from flotta.resources.kinds import BUCKET_CLAIM, ROUTE, SECRET
from flotta.resources.objects.device_settings import DeviceSettings
from flotta.resources.objects.devices import EdgeDevice
from flotta.resources.objects.storage import BucketClaim
from flotta.resources.views import name_of, namespace_of, spec_of, status_of
from flotta.settings.storage import S3_REGION

NOOBAA_ROUTE = ("openshift-storage", "s3")
ROUTER_CA = ("openshift-ingress-operator", "router-ca")
HTTPS = "443"


@dataclass(frozen=True)
class _Address:
    """Where a bucket is, instead of what the ConfigMap says, and the CA of its certificate."""

    host: str
    port: str = HTTPS
    authority: str | None = None  # base64; None: as in the Secret


def render_storage(
    device: EdgeDevice, spec: DeviceSettings, source: ObjectSource, endpoint: str = ""
) -> S3StorageConfiguration | None:
    """Return the device's storage, None when it should have none; or raise BrokenReference.

    The BrokenReference names everything that is missing. `endpoint` is the `https://host:port`
    by which devices reach the buckets of claims, if set.
    """
    namespace = namespace_of(device)
    claim = _claim_in_use(device, source)
    if claim is not None:
        name = name_of(claim)
        credentials = BucketCredentials(source, namespace, name, name, claim)
        address = _address_of_claim(source, claim, endpoint, credentials)
        return _read_configuration(credentials, address, port=HTTPS, region=S3_REGION.default)
    names = _external_names(spec)
    if names is None:
        return None
    return _read_configuration(BucketCredentials(source, namespace, *names), None)


def _claim_in_use(device: EdgeDevice, source: ObjectSource) -> BucketClaim | None:
    name = status_of(device).get("dataObc")
    if not name:
        return None
    claim = source.lookup(BUCKET_CLAIM, namespace_of(device), name)
    if claim is None:
        raise BrokenReference(f"ObjectBucketClaim {name!r} does not exist")
    return claim if is_claim_of(claim, device) else None


def _read_configuration(
    credentials: BucketCredentials,
    address: _Address | None,
    port: str | None = None,
    region: str | None = None,
) -> S3StorageConfiguration:
    """Read every value; `port` and `region` are used when the ConfigMap does not have them."""
    storage = S3StorageConfiguration(
        bucket_name=credentials.config_value("BUCKET_NAME"),
        bucket_host=address.host if address else credentials.config_host("BUCKET_HOST"),
        bucket_port=credentials.config_port(
            "BUCKET_PORT", port, given=address.port if address else None
        ),
        bucket_region=credentials.config_value("BUCKET_REGION", region),
        aws_access_key_id=credentials.secret_value("AWS_ACCESS_KEY_ID"),
        aws_secret_access_key=credentials.secret_value("AWS_SECRET_ACCESS_KEY"),
        aws_ca_bundle=credentials.optional_secret_value("tls.crt"),
    )
    if address and address.authority is not None:
        storage.aws_ca_bundle = address.authority
    credentials.require_complete()
    return storage


def _address_of_claim(
    source: ObjectSource, claim: BucketClaim, endpoint: str, credentials: BucketCredentials
) -> _Address | None:
    if spec_of(claim).get("storageClassName") == NOOBAA_CLASS:
        return _route_address(source, credentials)
    if endpoint:
        url = urlsplit(endpoint)
        return _Address(url.hostname or "", str(url.port or HTTPS))
    return None


def _route_address(source: ObjectSource, credentials: BucketCredentials) -> _Address:
    route = source.lookup(ROUTE, *NOOBAA_ROUTE)
    host = (spec_of(route).get("host") if route else None) or ""
    if not host:
        credentials.add_problem(
            f"Route {'/'.join(NOOBAA_ROUTE)} does not exist, cannot be read or has no host"
        )
    secret = source.lookup(SECRET, *ROUTER_CA)
    authority = (secret.get("data") if secret else None) or {}
    return _Address(host, authority=authority.get("tls.crt", "").strip())


def _external_names(spec: DeviceSettings) -> tuple[str, str] | None:
    """Return the names of ConfigMap and Secret."""
    s3 = (spec.get("storage") or {}).get("s3") or {}
    names = s3.get("configMapName") or "", s3.get("secretName") or ""
    if not any(names):
        return None
    if not all(names):
        raise BrokenReference("storage.s3 needs both configMapName and secretName")
    return names
