"""Issuers of access keys: the same expectations of each, on our server and another vendor's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from foreign_s3 import foreign_s3
from s3_server import S3Server, running_s3

from flotta.storage.access_keys import AccessKey
from flotta.storage.buckets import Buckets
from flotta.storage.errors import StorageRefused, StorageUnavailable
from flotta.storage.issuers import KeyIssuer
from flotta.storage.provisioner import choose_issuer
from flotta.storage.s3_site import S3Site
from flotta.storage.settings import StorageSettings
from waiting import eventually, wait_until

KINDS = ("embedded directory", "embedded IAM", "foreign IAM")


@dataclass
class Storage:
    server: S3Server
    settings: StorageSettings

    @property
    def site(self) -> S3Site:
        return S3Site(self.settings)

    @property
    def issuer(self) -> KeyIssuer:
        """An issuer that remembers nothing of what another one did, as after a restart."""
        return choose_issuer(self.settings, self.site)

    async def handed_out(self, bucket: str) -> AccessKey:
        await ensured(self, bucket)
        key = await self.issuer.issue_key(bucket)
        assert await self.issuer.activate_key(key)
        return key

    def opens(self, key: AccessKey, bucket: str) -> bool:
        """Tell whether the key reads, writes and lists in the bucket: all or nothing."""
        client = self.server.client(key)
        calls: tuple[tuple[Callable[..., Any], dict[str, Any]], ...] = (
            (client.put_object, {"Key": "probe", "Body": b"1"}),
            (client.get_object, {"Key": "probe"}),
            (client.list_objects_v2, {}),
            (client.delete_object, {"Key": "probe"}),
        )
        granted = {_granted(call, Bucket=bucket, **arguments) for call, arguments in calls}
        assert len(granted) == 1
        return granted.pop()


def _granted(call: Callable[..., Any], **arguments: Any) -> bool:
    """Try a call, again while the server restarts because a key was dropped."""

    def answer() -> tuple[bool]:
        try:
            call(**arguments)
        except ClientError:
            return (False,)
        return (True,)

    return wait_until(answer, tolerate=BotoCoreError, pause=0.2)[0]


async def ensured(storage: Storage, bucket: str, site: S3Site | None = None) -> None:
    """Make the bucket, again while the embedded server restarts because a key was dropped."""

    async def made() -> bool:
        try:
            await Buckets(site or storage.site).ensure(bucket)
        except StorageUnavailable:
            return False
        return True

    await eventually(made)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, S3Server]]:
    ours, foreign = tmp_path_factory.mktemp("ours"), tmp_path_factory.mktemp("foreign")
    with running_s3(ours, iam=True) as embedded, foreign_s3(foreign) as other:
        yield {"embedded": embedded, "foreign": other}


@pytest.fixture(params=KINDS)
def storage(request: pytest.FixtureRequest, servers: dict[str, S3Server]) -> Storage:
    where, how = request.param.split()
    server = servers[where]
    issuing = {"keys": server.keys} if how == "directory" else {"iam_endpoint": server.iam_endpoint}
    return Storage(server, server.settings(**issuing))


def unique(storage: Storage, name: str) -> str:
    """Return a bucket name that no other parameter of the test uses."""
    return f"{name}-{'d' if storage.settings.keys else 'i'}"


async def test_what_exists_under_the_name_of_a_new_bucket_is_seen(storage: Storage) -> None:
    bucket = unique(storage, "unseen")
    buckets = Buckets(storage.site)
    assert not await buckets.exists(bucket)
    assert not await storage.issuer.has_keys(bucket)
    await storage.handed_out(bucket)
    assert await buckets.exists(bucket)
    assert await storage.issuer.has_keys(bucket)


async def test_key_opens_its_bucket_and_no_other(storage: Storage) -> None:
    first, second = unique(storage, "first"), unique(storage, "second")
    key = await storage.handed_out(first)
    await storage.handed_out(second)
    assert storage.opens(key, first)
    assert not storage.opens(key, second)


async def test_key_cannot_remove_or_make_buckets_or_manage_users(storage: Storage) -> None:
    name = unique(storage, "modest")
    key = await storage.handed_out(name)
    client = storage.server.client(key)
    assert not _granted(client.create_bucket, Bucket=unique(storage, "greedy"))
    if storage.settings.iam_endpoint:
        iam = storage.server.iam(key)
        assert not _granted(iam.create_access_key, UserName=name)
        assert not _granted(iam.create_user, UserName="accomplice")


async def test_key_that_never_reached_its_secret_is_replaced_and_closed(storage: Storage) -> None:
    bucket = unique(storage, "crash")
    await ensured(storage, bucket)
    lost = [await storage.issuer.issue_key(bucket) for _ in range(3)]
    key = await storage.issuer.issue_key(bucket)
    assert await storage.issuer.activate_key(key)
    assert storage.opens(key, bucket)
    assert not any(storage.opens(lost_key, bucket) for lost_key in lost)


async def test_activating_again_changes_nothing(storage: Storage) -> None:
    bucket = unique(storage, "twice")
    key = await storage.handed_out(bucket)
    assert await storage.issuer.activate_key(key)
    assert storage.opens(key, bucket)


async def test_key_of_another_bucket_is_not_accepted(storage: Storage) -> None:
    mine, other = unique(storage, "mine"), unique(storage, "other")
    await storage.handed_out(mine)
    theirs = await storage.handed_out(other)
    assert not await storage.issuer.activate_key(AccessKey(theirs.access_key, "a secret", mine))
    admin = storage.server.administrator
    assert not await storage.issuer.activate_key(AccessKey(admin.access_key, "a secret", mine))
    assert storage.opens(theirs, other)
    storage.server.client(storage.server.administrator).list_buckets()


async def removed(storage: Storage, bucket: str) -> bool:
    """Remove the bucket, unless the embedded server restarts just now because it forgot a key."""
    try:
        await Buckets(S3Site(storage.settings)).remove(bucket)
    except StorageUnavailable:
        return False
    return True


async def test_revoking_closes_the_bucket_and_deletes_its_user(storage: Storage) -> None:
    bucket = unique(storage, "withdrawn")
    key = await storage.handed_out(bucket)
    assert _granted(storage.server.client(key).put_object, Bucket=bucket, Key="left", Body=b"1")
    assert await storage.issuer.revoke_keys(bucket)
    assert not await storage.issuer.revoke_keys(bucket)
    if storage.settings.iam_endpoint:
        iam = storage.server.iam(storage.server.administrator)
        with pytest.raises(ClientError, match="NoSuchEntity"):
            iam.list_access_keys(UserName=bucket)
        assert not await storage.issuer.activate_key(key)
    for _ in range(2):
        await eventually(lambda: removed(storage, bucket))


async def test_changed_policy_is_restored(servers: dict[str, S3Server]) -> None:
    server = servers["foreign"]
    storage = Storage(server, server.settings(iam_endpoint=server.iam_endpoint))
    key = await storage.handed_out("drift-a")
    await storage.handed_out("drift-b")
    allow = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    wide = json.dumps({"Version": "2012-10-17", "Statement": allow})
    iam = server.iam(server.administrator)
    iam.put_user_policy(UserName="drift-a", PolicyName="bucket", PolicyDocument=wide)
    assert storage.opens(key, "drift-b")
    assert await storage.issuer.activate_key(key)
    assert not storage.opens(key, "drift-b")


async def test_shared_key_is_the_administrators_and_follows_it(
    servers: dict[str, S3Server], tmp_path: Path
) -> None:
    server = servers["embedded"]
    admin_file = tmp_path / "admin.env"
    admin_file.write_text(server.admin_file.read_text())
    storage = Storage(server, server.settings(admin_file=admin_file, shared_keys=True))
    key = await storage.handed_out("shared-a")
    assert storage.opens(key, "shared-a")
    assert "every other bucket" in storage.issuer.warning
    admin_file.write_text("AWS_ACCESS_KEY_ID=new\nAWS_SECRET_ACCESS_KEY=newer\n")
    assert not await storage.issuer.activate_key(key)
    assert (await storage.issuer.issue_key("shared-a")).access_key == "new"
    assert not await storage.issuer.revoke_keys("shared-a")


async def test_iam_that_refuses_or_is_not_there_is_told_apart(
    servers: dict[str, S3Server], tmp_path: Path
) -> None:
    server = servers["embedded"]
    admin_file = tmp_path / "admin.env"
    admin_file.write_text("AWS_ACCESS_KEY_ID=AAAABBBBCCCCDDDDEEEE\nAWS_SECRET_ACCESS_KEY=no\n")
    wrong = server.settings(iam_endpoint=server.iam_endpoint, admin_file=admin_file)
    with pytest.raises(
        StorageRefused, match="check the access key in Secret flotta-s3-admin, or S3_ADMIN_FILE"
    ):
        await choose_issuer(wrong, S3Site(wrong)).issue_key("never-a")
    silent = server.settings(iam_endpoint="https://127.0.0.1:1")
    with pytest.raises(StorageUnavailable, match="no response from S3_IAM_ENDPOINT"):
        await choose_issuer(silent, S3Site(silent)).issue_key("never-a")


async def test_rotated_administrator_needs_no_restart(
    servers: dict[str, S3Server], tmp_path: Path
) -> None:
    server = servers["embedded"]
    admin_file = tmp_path / "admin.env"
    admin_file.write_text("AWS_ACCESS_KEY_ID=AAAABBBBCCCCDDDDEEEE\nAWS_SECRET_ACCESS_KEY=no\n")
    storage = Storage(server, server.settings(admin_file=admin_file))
    site = storage.site
    with pytest.raises(StorageRefused):
        await ensured(storage, "rotated-a", site)
    admin_file.write_text(server.admin_file.read_text())
    await ensured(storage, "rotated-a", site)
    assert (server.root / "rotated-a").is_dir()
