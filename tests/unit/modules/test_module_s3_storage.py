"""The module s3_storage: what devices read of it, what it touches, and what it tells nobody."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from memory_client import MemoryClient
from module_run import run

from flotta.fleet.object_storage import render_storage
from flotta.identity.authority import Authority
from flotta.resources.kinds import CONFIG_MAP, EDGE_DEVICE, EDGE_DEVICE_SET, SECRET, Kind

KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
GIVEN = {
    "name": "shops",
    "endpoint": "https://s3.example:9000/",
    "bucket": "shop-files",
    "region": "eu-central-1",
    "access_key": "AKIAEXAMPLE",
    "secret_key": KEY,
}


class Source:
    """Looks objects up as the Edge API does."""

    def __init__(self, client: MemoryClient) -> None:
        self.client = client

    def workloads(self, namespace: str) -> list[Any]:
        return []

    def lookup(self, kind: Kind, namespace: str, name: str) -> Any:
        return self.client.objects.get((kind.kind, namespace, name))


def decoded(text: str) -> str:
    return base64.b64decode(text).decode()


def test_devices_read_what_was_given(client: MemoryClient) -> None:
    ca = Authority.create("S3 CA").certificate_pem.decode()
    answer = run("s3_storage", ca=f"subject=CN = S3 CA\n{ca}", **GIVEN)
    device = client.have(EDGE_DEVICE, "till-1", spec={"storage": answer["storage"]})
    storage = render_storage(device, device["spec"], Source(client))  # type: ignore[arg-type]
    assert storage is not None
    place = storage.bucket_host, storage.bucket_port, storage.bucket_name, storage.bucket_region
    assert place == ("s3.example", 9000, "shop-files", "eu-central-1")
    assert decoded(storage.aws_access_key_id) == "AKIAEXAMPLE"
    assert decoded(storage.aws_secret_access_key) == KEY
    assert decoded(storage.aws_ca_bundle) == ca


def test_an_address_of_ipv6_and_a_missing_port_are_as_devices_need_them(
    client: MemoryClient,
) -> None:
    run("s3_storage", **{**GIVEN, "endpoint": "https://[2001:db8::7]"})
    data = client.objects["ConfigMap", "default", "shops"]["data"]
    assert (data["BUCKET_HOST"], data["BUCKET_PORT"]) == ("2001:db8::7", "443")


def test_check_mode_writes_nothing_and_a_second_run_changes_nothing(client: MemoryClient) -> None:
    assert run("s3_storage", check_mode=True, **GIVEN)["changed"]
    assert client.writes == []
    assert run("s3_storage", **GIVEN)["changed"]
    assert client.writes == ["create", "create"]
    assert not run("s3_storage", **GIVEN)["changed"]
    assert client.writes == ["create", "create"]


def test_a_new_secret_key_is_written_alone_and_shown_to_nobody(client: MemoryClient) -> None:
    new = "another/SECRET+key=="
    first = run("s3_storage", **GIVEN)
    second = run("s3_storage", **{**GIVEN, "secret_key": new})
    gone = run("s3_storage", name="shops", state="absent")
    assert client.writes == ["create", "create", "patch", "delete", "delete"]
    diff = second["diff"]
    assert diff["before"]["AWS_SECRET_ACCESS_KEY"] == "hidden"
    assert diff["after"]["AWS_SECRET_ACCESS_KEY"] == "hidden, changed"
    assert diff["after"]["AWS_ACCESS_KEY_ID"] == "hidden"
    for answer in (first, second, gone):
        told = json.dumps({**answer, "invocation": {}}) + json.dumps(answer["diff"])
        for secret in (KEY, new):
            encoded = base64.b64encode(secret.encode()).decode()
            assert secret not in told
            assert secret not in json.dumps(answer)
            assert encoded not in json.dumps(answer)
        assert "AKIAEXAMPLE" not in told


def test_the_ca_goes_when_it_is_left_out(client: MemoryClient) -> None:
    run("s3_storage", ca=Authority.create("S3 CA").certificate_pem.decode(), **GIVEN)
    assert "tls.crt" in client.objects["Secret", "default", "shops"]["data"]
    assert run("s3_storage", **GIVEN)["changed"]
    assert "tls.crt" not in client.objects["Secret", "default", "shops"]["data"]


def test_it_stays_while_devices_or_sets_refer_to_it(client: MemoryClient) -> None:
    run("s3_storage", **GIVEN)
    section = {"storage": {"s3": {"configMapName": "shops", "secretName": "shops"}}}
    client.have(EDGE_DEVICE_SET, "tills-north", spec=section)
    client.have(EDGE_DEVICE, "till-1", spec=section)
    client.have(EDGE_DEVICE, "till-2", namespace="elsewhere", spec=section)
    for check_mode in (True, False):
        refused = run("s3_storage", check_mode, name="shops", state="absent")
        assert refused["failed"]
        assert "is in use by EdgeDeviceSet tills-north, EdgeDevice till-1. " in refused["msg"]
        assert "delete" not in client.writes
    forced = run("s3_storage", name="shops", state="absent", force=True)
    assert (forced["changed"], len(forced["users"])) == (True, 2)
    assert not run("s3_storage", name="shops", state="absent")["changed"]


@pytest.mark.parametrize("state", ["present", "absent"])
def test_objects_of_a_bucket_claim_are_left_alone(client: MemoryClient, state: str) -> None:
    owner = {"kind": "ObjectBucketClaim", "name": "shops", "uid": "u"}
    client.have(SECRET, "shops", metadata={"ownerReferences": [owner]}, data={})
    answer = run("s3_storage", state=state, force=True, **GIVEN)
    assert "belongs to ObjectBucketClaim shops" in answer["msg"]
    assert client.writes == []


@pytest.mark.parametrize("state", ["present", "absent"])
def test_objects_with_other_keys_need_the_word(client: MemoryClient, state: str) -> None:
    client.have(CONFIG_MAP, "shops", data={"nginx.conf": "…"})
    answer = run("s3_storage", state=state, **GIVEN)
    assert "ConfigMap shops in namespace default has other keys: nginx.conf" in answer["msg"]
    assert client.writes == []
    assert run("s3_storage", force=True, **GIVEN)["changed"]
    assert client.objects["ConfigMap", "default", "shops"]["data"]["nginx.conf"] == "…"


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"endpoint": "http://s3.example"}, "use https://HOST:PORT"),
        ({"endpoint": "https://s3.example/bucket"}, "use https://HOST:PORT"),
        ({"endpoint": "https://me:secret@s3.example"}, "with a user name or password"),
        ({"endpoint": " "}, "endpoint is empty"),
        ({"bucket": "a/b"}, "bucket is 'a/b'"),
        ({"bucket": "ab"}, "use 3 to 63"),
        ({"region": "eu central"}, "use the name of the region"),
        ({"access_key": "AKIA "}, "access_key is empty, or has blanks"),
        ({"secret_key": f"{KEY}\n"}, "secret_key is empty, or has blanks"),
        ({"ca": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"}, "ca has no"),
        ({"ca": "/etc/ssl/ca.crt"}, "ca has no certificate that can be read"),
        ({"ca": "-----BEGIN EC PRIVATE KEY-----"}, "ca has a private key"),
    ],
)
def test_what_no_device_could_use_is_refused(
    client: MemoryClient, wrong: dict[str, str], sentence: str
) -> None:
    answer = run("s3_storage", **{**GIVEN, **wrong})
    assert answer["failed"]
    assert sentence in answer["msg"]
    assert KEY not in answer["msg"]
    assert client.writes == []
