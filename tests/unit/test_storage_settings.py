"""The S3_ settings: one site, one issuer, and a sentence for whatever does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from flotta.operator.settings import Settings
from flotta.storage.administrator import read_administrator
from flotta.storage.s3_site import S3Site
from flotta.storage.settings import StorageSettings

SITE = {"S3_DEVICE_ENDPOINT": "https://s3.shop.example:9000", "S3_ADMIN_FILE": "/etc/flotta/s3"}
KEYS = {"S3_KEYS_DIR": "/k"}
IAM = {"S3_IAM_ENDPOINT": "https://s3.shop.example:9001"}
SHARED = {"S3_SHARED_KEYS": "true"}


def test_nothing_set_is_no_storage() -> None:
    assert StorageSettings.from_environment({"S3_SHARED_KEYS": "false", "S3_ENDPOINT": " "}) is None


def test_defaults_follow_the_devices_endpoint() -> None:
    storage = StorageSettings.from_environment(SITE | IAM)
    assert storage
    assert storage.endpoint == storage.device_endpoint == "https://s3.shop.example:9000"
    assert (storage.region, storage.ca_file, storage.keys) == ("us-east-1", None, None)
    assert (storage.iam_endpoint, storage.shared_keys) == ("https://s3.shop.example:9001", False)


def test_operator_may_have_its_own_way_to_the_server() -> None:
    inside = {"S3_ENDPOINT": "http://minio.storage:9000/", "S3_REGION": "eu-lab-1"}
    storage = StorageSettings.from_environment(SITE | SHARED | inside)
    assert storage
    assert (storage.endpoint, storage.region) == ("http://minio.storage:9000", "eu-lab-1")
    assert storage.shared_keys


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (KEYS, "S3_DEVICE_ENDPOINT and S3_ADMIN_FILE must also be set"),
        ({"S3_CA_FILE": "/ca"}, "S3_DEVICE_ENDPOINT and S3_ADMIN_FILE must also be set"),
        ({"S3_DEVICE_ENDPOINT": "https://h:9000", **KEYS}, "S3_ADMIN_FILE must also be set"),
        (SITE, "set S3_IAM_ENDPOINT .* S3_KEYS_DIR .* or S3_SHARED_KEYS"),
        (SITE | KEYS | IAM, "S3_KEYS_DIR and S3_IAM_ENDPOINT exclude each other"),
        (SITE | {"S3_SHARED_KEYS": "perhaps"}, "S3_SHARED_KEYS is 'perhaps'"),
        (
            SITE | KEYS | {"S3_DEVICE_ENDPOINT": "http://h:9000"},
            "S3_DEVICE_ENDPOINT .*https://HOST",
        ),
        (SITE | KEYS | {"S3_ENDPOINT": "s3.shop.example"}, "S3_ENDPOINT .*https://HOST:PORT"),
        (SITE | KEYS | {"S3_ENDPOINT": "https://h:99999"}, "S3_ENDPOINT .*https://HOST:PORT"),
        (SITE | KEYS | {"S3_ENDPOINT": "https://u:p@h"}, "S3_ENDPOINT .*https://HOST:PORT"),
        (SITE | {"S3_IAM_ENDPOINT": "http://h:9001"}, "S3_IAM_ENDPOINT .*https://HOST:PORT"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_sentence(given: dict[str, str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Settings.from_environment(given)


def test_claims_that_openshift_answers_are_not_answered_twice() -> None:
    noobaa = {"BUCKET_STORAGE_CLASS": "openshift-storage.noobaa.io"}
    assert Settings.from_environment(noobaa).storage is None
    with pytest.raises(ValueError, match="remove the S3_ settings"):
        Settings.from_environment(noobaa | SITE | IAM)


def test_key_and_authority_come_from_a_mounted_secret(tmp_path: Path) -> None:
    for name, text in {"AWS_ACCESS_KEY_ID": "id\n", "AWS_SECRET_ACCESS_KEY": "secret"}.items():
        (tmp_path / name).write_text(text)
    key = read_administrator(tmp_path)
    assert (key.access_key, key.secret_key, key.bucket) == ("id", "secret", None)
    site = S3Site(StorageSettings("https://h", "https://h", tmp_path))
    assert site.read_ca() == b""
    (tmp_path / "ca.crt").write_bytes(b"PEM")
    assert site.read_ca() == b"PEM"
    (tmp_path / "AWS_SECRET_ACCESS_KEY").unlink()
    with pytest.raises(ValueError, match="AWS_SECRET_ACCESS_KEY"):
        site.read_administrator()


def test_missing_authority_is_named(tmp_path: Path) -> None:
    site = S3Site(StorageSettings("https://h", "https://h", tmp_path, ca_file=tmp_path / "none"))
    with pytest.raises(ValueError, match="S3_CA_FILE"):
        site.read_ca()
