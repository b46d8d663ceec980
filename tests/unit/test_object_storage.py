"""Which bucket a device gets: claim before external storage, and the right address.

Everything that is missing is reported at once.
"""

from __future__ import annotations

import base64
from typing import Any

import pytest
from fleet_objects import Object, Objects, device

from flotta.fleet.object_storage import render_storage
from flotta.fleet.references import BrokenReference
from flotta.protocol.models import S3StorageConfiguration
from flotta.resources.kinds import ROUTE, SECRET

EXTERNAL = {"storage": {"s3": {"configMapName": "lab-s3", "secretName": "lab-s3-keys"}}}
LAB = {
    "BUCKET_HOST": "s3.lab.example",
    "BUCKET_NAME": "d-17-data",
    "BUCKET_PORT": "9000",
    "BUCKET_REGION": "eu-lab-1",
}
PAIR = {"AWS_ACCESS_KEY_ID": "labuser", "AWS_SECRET_ACCESS_KEY": "labsecret"}


def lab(config_map: dict[str, str], secret: dict[str, str]) -> Objects:
    return Objects().with_config_map("lab-s3", **config_map).with_secret("lab-s3-keys", **secret)


def claimed(storage_class: str) -> Objects:
    """Return a claim as a provisioner inside the cluster binds it."""
    inside = {"BUCKET_NAME": "b-17", "BUCKET_HOST": "s3.storage.svc", "BUCKET_PORT": "443"}
    source = (
        Objects().with_config_map("d-17", **inside, BUCKET_REGION="").with_secret("d-17", **PAIR)
    )
    return source.with_claim("d-17", storage_class=storage_class)


def found(source: Objects, endpoint: str = "", **fields: Any) -> S3StorageConfiguration:
    own = device(EXTERNAL, {"dataObc": "d-17"} if fields.get("claim") else {})
    result = render_storage(own, own["spec"], source, endpoint)
    assert result is not None
    return result


def complaint(source: Objects, spec: Object = EXTERNAL, status: Object | None = None) -> str:
    with pytest.raises(BrokenReference) as caught:
        render_storage(device(spec, status), spec, source)
    return str(caught.value)


def text(encoded: str) -> str:
    return base64.b64decode(encoded).decode()


def test_external_storage_is_delivered_as_written() -> None:
    s3 = found(lab(LAB, {**PAIR, "tls.crt": "PEM"}))
    assert (s3.bucket_host, s3.bucket_port, s3.bucket_region) == (
        "s3.lab.example",
        9000,
        "eu-lab-1",
    )
    assert (s3.bucket_name, text(s3.aws_access_key_id)) == ("d-17-data", "labuser")
    assert (text(s3.aws_secret_access_key), text(s3.aws_ca_bundle)) == ("labsecret", "PEM")


def test_trailing_newlines_are_not_part_of_values() -> None:
    ragged = {key: value + "\n" for key, value in PAIR.items()}
    s3 = found(lab({key: f" {value}\n" for key, value in LAB.items()}, ragged))
    assert (s3.bucket_host, s3.bucket_port) == ("s3.lab.example", 9000)
    assert (text(s3.aws_access_key_id), text(s3.aws_secret_access_key)) == ("labuser", "labsecret")


def test_operators_endpoint_is_for_claims_only() -> None:
    s3 = found(lab(LAB, PAIR), "https://s3.shop.example:9443")
    assert (s3.bucket_host, s3.bucket_port) == ("s3.lab.example", 9000)


def test_claim_is_reached_by_the_operators_endpoint_or_else_as_it_says() -> None:
    source = claimed("rook-ceph-bucket")
    inside = found(source, claim=True)
    assert (inside.bucket_host, inside.bucket_port) == ("s3.storage.svc", 443)
    outside = found(source, "https://s3.shop.example:9443", claim=True)
    assert (outside.bucket_host, outside.bucket_port) == ("s3.shop.example", 9443)
    assert (outside.bucket_name, outside.bucket_region) == ("b-17", "us-east-1")


def test_claim_of_openshift_is_reached_by_its_route_with_the_routers_ca() -> None:
    source = claimed("openshift-storage.noobaa.io")
    route = {"spec": {"host": "s3-openshift-storage.apps.lab.example"}}
    source.with_object(ROUTE, "openshift-storage", "s3", route)
    encoded = base64.b64encode(b"ROUTER").decode()
    router = {"data": {"tls.crt": encoded}}
    source.with_object(SECRET, "openshift-ingress-operator", "router-ca", router)
    s3 = found(source, "https://elsewhere.example", claim=True)
    assert (s3.bucket_host, s3.bucket_port) == ("s3-openshift-storage.apps.lab.example", 443)
    assert s3.aws_ca_bundle == encoded


def test_claim_of_openshift_without_route_is_reported() -> None:
    source = claimed("openshift-storage.noobaa.io")
    assert "Route openshift-storage/s3" in complaint(source, {}, {"dataObc": "d-17"})


def test_everything_that_is_missing_is_reported_at_once() -> None:
    few = {"BUCKET_NAME": "x", "BUCKET_PORT": "70000", "BUCKET_HOST": "https://s3.lab.example"}
    told = complaint(lab(few, {"AWS_ACCESS_KEY_ID": "labuser", "AWS_SECRET_ACCESS_KEY": "\n"}))
    assert "ConfigMap 'lab-s3' is missing BUCKET_REGION" in told
    assert "Secret 'lab-s3-keys' is missing AWS_SECRET_ACCESS_KEY" in told
    assert "BUCKET_PORT is '70000', not a port number" in told
    assert "BUCKET_HOST is 'https://s3.lab.example'; give the host name only" in told
    assert "labuser" not in told


def test_absent_objects_are_named_once() -> None:
    told = complaint(Objects())
    assert told == "ConfigMap 'lab-s3' does not exist; Secret 'lab-s3-keys' does not exist"


def test_half_of_external_storage_is_reported() -> None:
    half = {"storage": {"s3": {"secretName": "lab-s3-keys"}}}
    assert complaint(Objects(), half) == "storage.s3 needs both configMapName and secretName"
