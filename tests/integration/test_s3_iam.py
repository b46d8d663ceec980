"""The IAM query API of the embedded S3 server, by boto3 and by hand-made requests."""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from s3_server import S3Server, running_s3

from flotta.storage.access_keys import AccessKey, new_access_key_id, new_secret_key
from flotta.storage.iam_issuer import policy_for
from flotta.storage.key_store import write_key
from waiting import wait_until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with running_s3(tmp_path_factory.mktemp("s3"), iam=True) as running:
        yield running


def refusal(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Code"])


def new_user(server: S3Server, name: str) -> Any:
    iam = server.iam(server.administrator)
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="bucket", PolicyDocument=policy_for(name))
    server.client(server.administrator).create_bucket(Bucket=name)
    return iam


def new_key(iam: Any, name: str) -> AccessKey:
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return AccessKey(made["AccessKeyId"], made["SecretAccessKey"], name)


def test_users_keys_open_the_bucket_of_the_policy_and_no_other(server: S3Server) -> None:
    first = new_key(new_user(server, "first-a"), "first-a")
    new_user(server, "second-a")
    client = server.client(first)
    client.put_object(Bucket="first-a", Key="x", Body=b"1")
    assert (server.root / "first-a" / "x").read_bytes() == b"1"
    assert refusal(client.list_objects_v2, Bucket="second-a") == "NoSuchBucket"
    assert refusal(client.put_object, Bucket="second-a", Key="x", Body=b"1") == "NoSuchBucket"


def test_what_was_put_is_told_again(server: S3Server) -> None:
    iam = new_user(server, "told-a")
    key = new_key(iam, "told-a")
    found = iam.get_user_policy(UserName="told-a", PolicyName="bucket")
    assert found["PolicyDocument"] == json.loads(policy_for("told-a"))
    assert iam.list_user_policies(UserName="told-a")["PolicyNames"] == ["bucket"]
    (listed,) = iam.list_access_keys(UserName="told-a")["AccessKeyMetadata"]
    assert (listed["AccessKeyId"], listed["Status"]) == (key.access_key, "Active")
    assert "SecretAccessKey" not in listed
    assert datetime.now(UTC) - listed["CreateDate"] < timedelta(minutes=1)


def test_deleted_key_is_refused_within_seconds(tmp_path: Path) -> None:
    with running_s3(tmp_path, iam=True) as own:
        iam = new_user(own, "gone-a")
        gone, stays = new_key(iam, "gone-a"), new_key(iam, "gone-a")
        own.client(gone).put_object(Bucket="gone-a", Key="x", Body=b"1")
        iam.delete_access_key(UserName="gone-a", AccessKeyId=gone.access_key)
        wait_until(lambda: f"Access key {gone.access_key} was dropped" in own.log.read_text())
        refusal(own.client(gone).get_object, Bucket="gone-a", Key="x")
        own.client(stays).list_objects_v2(Bucket="gone-a")
        assert not (own.keys / f"{gone.access_key}.json").exists()


def test_user_goes_last_and_leaves_nothing(server: S3Server) -> None:
    iam = new_user(server, "leaving-a")
    key = new_key(iam, "leaving-a")
    policy = {"UserName": "leaving-a", "PolicyName": "bucket"}
    assert refusal(iam.delete_user, UserName="leaving-a") == "DeleteConflict"
    assert refusal(iam.delete_user_policy, **policy) == "DeleteConflict"
    iam.delete_access_key(UserName="leaving-a", AccessKeyId=key.access_key)
    iam.delete_user_policy(**policy)
    iam.delete_user(UserName="leaving-a")
    assert refusal(iam.list_access_keys, UserName="leaving-a") == "NoSuchEntity"
    assert not [path for path in server.keys.rglob("*") if "leaving" in path.name]


def test_user_has_two_keys_one_policy_and_one_name(server: S3Server) -> None:
    iam = new_user(server, "limits-a")
    new_key(iam, "limits-a")
    new_key(iam, "limits-a")
    assert refusal(iam.create_access_key, UserName="limits-a") == "LimitExceeded"
    assert refusal(iam.create_user, UserName="limits-a") == "EntityAlreadyExists"
    assert refusal(iam.create_user, UserName="../limits-b") == "ValidationError"
    other = {"UserName": "limits-a", "PolicyName": "another"}
    document = policy_for("limits-a")
    assert refusal(iam.put_user_policy, **other, PolicyDocument=document) == "LimitExceeded"
    moved = {**other, "PolicyName": "bucket", "PolicyDocument": policy_for("first-a")}
    assert refusal(iam.put_user_policy, **moved) == "DeleteConflict"
    assert refusal(iam.get_user_policy, **other) == "NoSuchEntity"
    assert refusal(iam.list_groups) == "InvalidAction"


def test_key_without_a_policy_is_refused_because_it_would_open_everything(server: S3Server) -> None:
    iam = server.iam(server.administrator)
    iam.create_user(UserName="bare-a")
    assert refusal(iam.create_access_key, UserName="bare-a") == "InvalidInput"


@pytest.mark.parametrize(
    "change",
    [
        {"Effect": "Deny"},
        {"Resource": "*"},
        {"Resource": "arn:aws:s3:::*"},
        {"Resource": "arn:aws:s3:::.."},
        {"Resource": "arn:aws:s3:::one-a/prefix/*"},
        {"Resource": ["arn:aws:s3:::one-a", "arn:aws:s3:::two-a"]},
        {"Action": "s3:GetObject"},
        {"Condition": {"Bool": {"aws:SecureTransport": "true"}}},
    ],
)
def test_policies_that_mean_something_else_are_refused(
    server: S3Server, change: dict[str, Any]
) -> None:
    iam = server.iam(server.administrator)
    with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_user(UserName="odd-a")
    whole = {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::one-a/*"}
    policy = {"UserName": "odd-a", "PolicyName": "bucket"}
    iam.put_user_policy(**policy, PolicyDocument=json.dumps({"Statement": whole}))
    document = json.dumps({"Statement": [{**whole, **change}]})
    code = refusal(iam.put_user_policy, **policy, PolicyDocument=document)
    assert code == "MalformedPolicyDocument"
    kept = iam.get_user_policy(**policy)["PolicyDocument"]
    assert kept == {"Statement": whole}


def test_only_the_administrator_manages_users(server: S3Server) -> None:
    device = new_key(new_user(server, "device-a"), "device-a")
    assert refusal(server.iam(device).create_user, UserName="x-a") == "AccessDenied"
    forged = AccessKey(server.administrator.access_key, device.secret_key, None)
    assert refusal(server.iam(forged).create_user, UserName="x-a") == "SignatureDoesNotMatch"
    unknown = AccessKey(new_access_key_id(), new_secret_key(), None)
    assert refusal(server.iam(unknown).create_user, UserName="x-a") == "InvalidClientTokenId"
    assert not (server.keys / "users" / "x-a.json").exists()


def test_requests_that_were_changed_or_are_old_are_refused(server: S3Server) -> None:
    form = {"Action": "CreateUser", "UserName": "signed-a", "Version": "2010-05-08"}
    body = urlencode(form).encode()
    headers = signed(server, body)
    assert post(server, body, {}) == 403
    assert post(server, body.replace(b"signed-a", b"signed-b"), headers) == 403
    assert post(server, body, {**headers, "Host": "elsewhere.example"}) == 403
    assert post(server, body, {**headers, "Host": "["}) == 403
    old = signed(server, body, datetime.now(UTC) - timedelta(minutes=20))
    assert post(server, body, old) == 403
    early = signed(server, body, datetime.now(UTC) + timedelta(minutes=20))
    assert post(server, body, early) == 403
    assert post(server, body, signed(server, body, service="s3")) == 403
    unsigned = {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}
    assert post(server, body, signed(server, body, extra=unsigned)) == 403
    assert not list((server.keys / "users").glob("signed-*"))
    assert post(server, body, headers) == 200


def signed(
    server: S3Server,
    body: bytes,
    when: datetime | None = None,
    *,
    service: str = "iam",
    extra: dict[str, str] | None = None,
) -> dict[str, str]:
    """Return the headers of a request signed at that time."""
    headers = {"Content-Type": "application/x-www-form-urlencoded", **(extra or {})}
    request = AWSRequest("POST", server.iam_endpoint + "/", headers, body)
    admin = server.administrator
    auth = SigV4Auth(Credentials(admin.access_key, admin.secret_key), service, "us-east-1")
    stamp = (when or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    request.context["timestamp"] = stamp
    request.headers["X-Amz-Date"] = stamp
    text = auth.string_to_sign(request, auth.canonical_request(request))
    auth._inject_signature_to_request(request, auth.signature(text, request))
    return dict(request.headers.items())


def post(server: S3Server, body: bytes, headers: dict[str, str]) -> int:
    context = ssl.create_default_context(cafile=str(server.ca_file))
    address = urlsplit(server.iam_endpoint).netloc
    connection = http.client.HTTPSConnection(address, context=context, timeout=20)
    connection.request("POST", "/", body, headers)
    response = connection.getresponse()
    root = response.read().split(b"<", 2)[2].split(b" ", 1)[0]
    assert root == (b"CreateUserResponse" if response.status == 200 else b"ErrorResponse")
    return response.status


def test_secrets_stay_out_of_log_and_other_peoples_reach(server: S3Server) -> None:
    key = new_key(new_user(server, "quiet-a"), "quiet-a")
    text = server.log.read_text()
    assert "CreateAccessKey quiet-a" in text
    assert key.secret_key not in text
    assert server.administrator.secret_key not in text
    modes = {path.stat().st_mode & 0o7 for path in server.keys.rglob("*")}
    assert modes == {0}


def test_keys_of_an_operator_beside_the_server_live_next_to_users(server: S3Server) -> None:
    beside = AccessKey(new_access_key_id(), new_secret_key(), "beside-a")
    write_key(server.keys, beside)
    administrator = server.client(server.administrator)
    # The server may end after it made the bucket: it restarts for a key that a former test dropped.
    with contextlib.suppress(administrator.exceptions.BucketAlreadyExists):
        administrator.create_bucket(Bucket="beside-a")
    server.client(beside).put_object(Bucket="beside-a", Key="x", Body=b"1")
    iam = server.iam(server.administrator)
    assert refusal(iam.list_access_keys, UserName="beside-a") == "NoSuchEntity"
