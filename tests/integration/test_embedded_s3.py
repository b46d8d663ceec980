"""The embedded S3 server with real rclone, TLS and boto3."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError, ClientError
from s3_server import SOURCE, S3Server, running_s3, starts

from flotta.storage.access_keys import AccessKey, new_access_key_id, new_secret_key
from flotta.storage.buckets import Buckets
from flotta.storage.errors import StorageRefused, StorageUnavailable
from flotta.storage.key_store import drop_keys, write_key
from flotta.storage.s3_site import S3Site
from waiting import eventually

MIB = 1 << 20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with running_s3(tmp_path_factory.mktemp("s3")) as running:
        yield running


def buckets_of(server: S3Server) -> Buckets:
    return Buckets(S3Site(server.settings(keys=server.keys)))


async def device(server: S3Server, bucket: str) -> AccessKey:
    await buckets_of(server).ensure(bucket)
    key = AccessKey(new_access_key_id(), new_secret_key(), bucket)
    write_key(server.keys, key)
    return key


def refusal(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Code"])


async def test_device_writes_and_the_administrator_reads_the_same_bytes(server: S3Server) -> None:
    client = server.client(await device(server, "till-1-a"))
    client.put_object(Bucket="till-1-a", Key="statistics/größe 1%.json", Body=b'{"load": 1}')
    admin = server.client(server.administrator)
    found = admin.get_object(Bucket="till-1-a", Key="statistics/größe 1%.json")
    assert found["Body"].read() == b'{"load": 1}'
    assert "till-1-a" in [bucket["Name"] for bucket in admin.list_buckets()["Buckets"]]


async def test_device_reaches_only_its_own_bucket(server: S3Server) -> None:
    first, second = await device(server, "first-a"), await device(server, "second-a")
    server.client(second).put_object(Bucket="second-a", Key="secret", Body=b"1")
    client = server.client(first)
    assert refusal(client.get_object, Bucket="second-a", Key="secret") == "NoSuchBucket"
    assert refusal(client.list_objects_v2, Bucket="second-a") == "NoSuchBucket"
    put = {"Bucket": "second-a", "Key": "planted", "Body": b"1"}
    assert refusal(client.put_object, **put) == "NoSuchBucket"
    assert refusal(client.delete_bucket, Bucket="second-a") in ("NoSuchBucket", "AccessDenied")
    assert [bucket["Name"] for bucket in client.list_buckets()["Buckets"]] == ["first-a"]
    assert sorted(path.name for path in (server.root / "second-a").iterdir()) == ["secret"]


async def test_device_cannot_leave_its_bucket_by_dots(server: S3Server) -> None:
    await device(server, "neighbour-a")
    client = server.client(await device(server, "climber-a"))
    (server.root / "neighbour-a" / "treasure").write_bytes(b"gold")
    for key in ("../neighbour-a/treasure", "x/../../neighbour-a/treasure"):
        refusal(client.get_object, Bucket="climber-a", Key=key)
    put = {"Bucket": "climber-a", "Key": "../neighbour-a/planted", "Body": b"1"}
    refusal(client.put_object, **put)
    assert [path.name for path in (server.root / "neighbour-a").iterdir()] == ["treasure"]


async def test_device_cannot_create_buckets(server: S3Server) -> None:
    client = server.client(await device(server, "maker-a"))
    with pytest.raises(ClientError):
        client.create_bucket(Bucket="another-a")
    assert not (server.root / "another-a").exists()


async def test_bucket_that_its_device_deletes_is_there_again(server: S3Server) -> None:
    client = server.client(await device(server, "undone-a"))
    client.put_object(Bucket="undone-a", Key="x", Body=b"1")
    client.delete_object(Bucket="undone-a", Key="x")
    client.delete_bucket(Bucket="undone-a")
    # Nothing is written before: for a moment, rclone would create the folder for that.
    await eventually(lambda: _exists(server, "undone-a"))

    async def works() -> bool:
        with contextlib.suppress(ClientError):
            client.put_object(Bucket="undone-a", Key="y", Body=b"2")
            return True
        return False

    await eventually(works)
    assert (server.root / "undone-a" / "y").read_bytes() == b"2"
    assert (server.root / "undone-a").stat().st_mode & 0o777 == 0o750


async def test_bucket_without_a_key_stays_deleted(server: S3Server) -> None:
    await buckets_of(server).ensure("gone-a")
    await device(server, "kept-a")
    await buckets_of(server).remove("gone-a")
    server.client(await device(server, "kept-b")).delete_bucket(Bucket="kept-b")
    await eventually(lambda: _exists(server, "kept-b"))
    assert not (server.root / "gone-a").exists()


async def _exists(server: S3Server, bucket: str) -> bool:
    return (server.root / bucket).is_dir()


async def test_each_access_key_is_verified_with_its_own_secret(server: S3Server) -> None:
    key, other = await device(server, "signed-a"), await device(server, "signed-b")
    forged = server.client(AccessKey(key.access_key, other.secret_key, "signed-a"))
    put = {"Bucket": "signed-a", "Key": "x", "Body": b"1"}
    assert refusal(forged.put_object, **put) == "AccessDenied"
    unknown = server.client(AccessKey(new_access_key_id(), key.secret_key, "signed-a"))
    assert refusal(unknown.put_object, **put) == "AccessDenied"
    as_admin = AccessKey(server.administrator.access_key, key.secret_key, None)
    assert refusal(server.client(as_admin).put_object, **put) == "AccessDenied"


async def test_big_file_goes_by_multipart_and_keeps_the_plain_md5_as_etag(
    server: S3Server, tmp_path: Path
) -> None:
    client = server.client(await device(server, "big-a"))
    data = os.urandom(MIB) * 24 + b"odd end"
    (tmp_path / "up").write_bytes(data)
    parts = TransferConfig(
        multipart_threshold=8 * MIB, multipart_chunksize=8 * MIB, max_concurrency=2
    )
    client.upload_file(str(tmp_path / "up"), "big-a", "big", Config=parts)
    client.download_file("big-a", "big", str(tmp_path / "down"), Config=parts)
    assert (tmp_path / "down").read_bytes() == data
    digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
    assert client.head_object(Bucket="big-a", Key="big")["ETag"].strip('"') == digest
    listed = client.list_objects_v2(Bucket="big-a")["Contents"][0]
    assert listed["ETag"].strip('"') == digest
    await seen(server, "PART big-a/big", times=4)


async def test_etag_follows_the_content_of_every_writer(server: S3Server) -> None:
    client = server.client(await device(server, "etag-a"))
    admin = server.client(server.administrator)

    def etag() -> str:
        return str(client.list_objects_v2(Bucket="etag-a")["Contents"][0]["ETag"]).strip('"')

    client.put_object(Bucket="etag-a", Key="x", Body=b"one")
    first = etag()
    client.put_object(Bucket="etag-a", Key="x", Body=b"one")
    assert etag() == first
    admin.put_object(Bucket="etag-a", Key="x", Body=b"two")
    digest = hashlib.md5(b"two", usedforsecurity=False).hexdigest()
    await eventually(lambda: etag() == digest)  # each key may see another's writes a second later


async def test_each_request_is_one_line_of_the_log(server: S3Server) -> None:
    client = server.client(await device(server, "counted-a"))
    client.put_object(Bucket="counted-a", Key="in/a b.txt", Body=b"1")
    client.get_object(Bucket="counted-a", Key="in/a b.txt")["Body"].read()
    client.get_object(Bucket="counted-a", Key="in/a b.txt")["Body"].read()
    client.list_objects_v2(Bucket="counted-a", Prefix="in/")
    await seen(server, "LIST counted-a/in/", times=1)
    assert server.requests("PUT counted-a/in/a b.txt") == ["PUT counted-a/in/a b.txt"]
    assert len(server.requests("GET counted-a/in/a b.txt")) == 2
    text = server.log.read_text()
    assert server.administrator.secret_key not in text
    assert "DEBUG" not in text


async def test_removing_a_bucket_takes_its_content(server: S3Server) -> None:
    client = server.client(await device(server, "leaving-a"))
    for number in range(3):
        client.put_object(Bucket="leaving-a", Key=f"deep/er/{number}", Body=b"1")
    await buckets_of(server).remove("leaving-a")
    assert not (server.root / "leaving-a").exists()
    await buckets_of(server).remove("leaving-a")


async def test_wrong_administrator_key_is_a_refusal_and_no_server_is_temporary(
    server: S3Server, tmp_path: Path
) -> None:
    admin_file = tmp_path / "wrong.env"
    access_key = server.administrator.access_key
    admin_file.write_text(f"AWS_ACCESS_KEY_ID={access_key}\nAWS_SECRET_ACCESS_KEY=wrong\n")
    wrong = server.settings(admin_file=admin_file)
    with pytest.raises(StorageRefused, match="Secret flotta-s3-admin, or S3_ADMIN_FILE"):
        await Buckets(S3Site(wrong)).ensure("never-a")
    silent = server.settings(endpoint="https://127.0.0.1:1")
    with pytest.raises(StorageUnavailable, match="S3_ENDPOINT"):
        await Buckets(S3Site(silent)).ensure("never-a")
    strange = server.settings(ca_file=None)
    with pytest.raises(StorageUnavailable, match=r"s3\.ca_pem .* or S3_CA_FILE"):
        await Buckets(S3Site(strange)).ensure("never-a")


class Slow:
    """A body of 24 MiB that is sent up to its middle, and on when the test says so."""

    def __init__(self) -> None:
        self.data = os.urandom(MIB) * 24
        self.is_half_sent, self.may_go_on = threading.Event(), threading.Event()
        self._position = 0

    def read(self, size: int = -1) -> bytes:
        if self._position >= len(self.data) // 2 and not self.may_go_on.is_set():
            self.is_half_sent.set()
            assert self.may_go_on.wait(60)
        found = self.data[self._position :][: size if size >= 0 else None]
        self._position += len(found)
        return found

    def seek(self, position: int, whence: int = 0) -> int:
        self._position = position + (len(self.data) if whence == 2 else 0)
        return self._position

    def tell(self) -> int:
        return self._position


async def test_a_dropped_key_is_closed_while_a_transfer_of_another_goes_on(
    server: S3Server,
) -> None:
    gone, stays = await device(server, "gone-a"), await device(server, "stays-a")
    thief, other = server.client(gone), server.client(stays)
    thief.put_object(Bucket="gone-a", Key="x", Body=b"1")
    begun = thief.create_multipart_upload(Bucket="gone-a", Key="half")["UploadId"]
    left = {"Key": "half", "UploadId": begun}
    first = thief.upload_part(Bucket="gone-a", **left, PartNumber=1, Body=b"1" * 5 * MIB)
    open_id = thief.create_multipart_upload(Bucket="gone-a", Key="open")["UploadId"]
    endless = {"Bucket": "gone-a", "Key": "open", "UploadId": open_id}
    thief.upload_part(**endless, PartNumber=1, Body=b"1" * 5 * MIB)
    parts = other.create_multipart_upload(Bucket="stays-a", Key="parts")["UploadId"]
    part = {"Bucket": "stays-a", "Key": "parts", "UploadId": parts}
    tags = [other.upload_part(**part, PartNumber=1, Body=b"1" * 5 * MIB)["ETag"]]
    body, before = Slow(), len(starts(server.log))
    running = asyncio.create_task(
        asyncio.to_thread(other.put_object, Bucket="stays-a", Key="big", Body=body)
    )
    await asyncio.to_thread(body.is_half_sent.wait, 60)

    drop_keys(server.keys, "gone-a")
    await eventually(lambda: f"Access key {gone.access_key} was dropped" in server.log.read_text())

    for call, arguments in (
        (thief.put_object, {"Key": "y", "Body": b"1"}),
        (thief.put_object, {"Key": "x", "Body": b"2"}),
        (thief.get_object, {"Key": "x"}),
        (thief.head_object, {"Key": "x"}),
        (thief.copy_object, {"Key": "z", "CopySource": "gone-a/x"}),
    ):
        assert not granted(call, Bucket="gone-a", **arguments)
    whole = {"Parts": [{"PartNumber": 1, "ETag": first["ETag"]}]}
    assert not granted(
        thief.complete_multipart_upload, Bucket="gone-a", **left, MultipartUpload=whole
    )
    thief.delete_object(Bucket="gone-a", Key="x")  # S3 confirms that whether it exists or not
    assert listed(thief, "gone-a") == []
    assert visible(server, "gone-a") == {"x": b"1"}
    body.may_go_on.set()
    await running
    assert (server.root / "stays-a" / "big").read_bytes() == body.data
    tags.append(other.upload_part(**part, PartNumber=2, Body=b"2")["ETag"])
    assert len(starts(server.log)) == before
    done = [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, 1)]
    other.complete_multipart_upload(**part, MultipartUpload={"Parts": done})
    assert (server.root / "stays-a" / "parts").stat().st_size == 5 * MIB + 1
    # Now nobody else transfers: what the dropped key had begun ends, and its parts go.
    await eventually(lambda: len(starts(server.log)) == before + 1)
    await eventually(lambda: [path.name for path in (server.root / "gone-a").iterdir()] == ["x"])


async def test_an_upload_of_a_dropped_key_that_is_running_is_not_confirmed(
    server: S3Server,
) -> None:
    gone = await device(server, "cut-a")
    thief, body = server.client(gone), Slow()
    thief.put_object(Bucket="cut-a", Key="x", Body=b"1")
    running = asyncio.create_task(
        asyncio.to_thread(granted, thief.put_object, Bucket="cut-a", Key="big", Body=body)
    )
    await asyncio.to_thread(body.is_half_sent.wait, 60)

    drop_keys(server.keys, "cut-a")
    await eventually(lambda: f"Access key {gone.access_key} was dropped" in server.log.read_text())
    body.may_go_on.set()

    assert not await running


async def test_a_key_that_is_issued_again_opens_its_bucket_again(server: S3Server) -> None:
    first = await device(server, "again-a")
    server.client(first).put_object(Bucket="again-a", Key="x", Body=b"1")
    drop_keys(server.keys, "again-a")
    await eventually(lambda: f"Access key {first.access_key} was dropped" in server.log.read_text())

    second = await device(server, "again-a")
    found = server.client(second).get_object(Bucket="again-a", Key="x")
    assert found["Body"].read() == b"1"
    assert not granted(server.client(first).get_object, Bucket="again-a", Key="x")


def granted(call: Any, **arguments: Any) -> bool:
    """Tell whether a request succeeds."""
    try:
        call(**arguments)
    except (ClientError, BotoCoreError):
        return False
    return True


def visible(server: S3Server, bucket: str) -> dict[str, bytes]:
    """Return the objects of a bucket, without what an upload that is not complete left."""
    found = (path for path in (server.root / bucket).iterdir() if path.name[0] != ".")
    return {path.name: path.read_bytes() for path in found}


def listed(client: Any, bucket: str) -> list[str]:
    """Return the keys that a listing has, none if it is refused."""
    try:
        found = client.list_objects_v2(Bucket=bucket)
    except ClientError:
        return []
    return [item["Key"] for item in found.get("Contents", [])]


async def seen(server: S3Server, start: str, *, times: int) -> None:
    """Wait for access lines: the log is written a moment after the answer."""
    await eventually(lambda: len(server.requests(start)) >= times)
    assert len(server.requests(start)) == times


def test_init_makes_the_administrator_once(tmp_path: Path) -> None:
    admin = tmp_path / "admin.env"
    assert json.loads(init(tmp_path).stdout) == {"changed": True}
    before = admin.read_text()
    assert json.loads(init(tmp_path).stdout) == {"changed": False}
    assert admin.read_text() == before
    assert admin.stat().st_mode & 0o777 == 0o600
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "keys").iterdir()}
    assert modes == {0o640}


def test_init_makes_the_folder_of_the_keys_for_its_group(tmp_path: Path) -> None:
    assert init(tmp_path).returncode == 0
    assert oct((tmp_path / "keys").stat().st_mode) == "0o42770"


def test_init_that_cannot_write_says_so_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("a file")
    result = init(tmp_path)
    assert result.returncode == 1
    assert result.stderr.startswith("flotta-s3: the access key cannot be written: ")
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "admin.env").exists()


def init(folder: Path) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "flotta.cli.s3", "init"]
    return subprocess.run(
        [*program, "--admin-file", "admin.env", "--keys", "keys"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": SOURCE},
        capture_output=True,
        text=True,
    )


async def test_nobody_forges_a_line_of_the_log(server: S3Server) -> None:
    """Neither a stranger, whose key is not known, nor a device with a key of an object."""
    stranger = AccessKey(new_access_key_id(), new_secret_key(), "till-9-z")
    forged = "q\nERROR: forged by nobody\n2026/01/01 00:00:00 ERROR : forged\x1b[2J"
    refusal(server.client(stranger).put_object, Bucket="till-9-z", Key=forged, Body=b"x")
    client = server.client(await device(server, "till-9-z"))
    client.put_object(Bucket="till-9-z", Key="q␊\u202edeceived", Body=b"x")
    lines = await eventually(lambda: server.requests("PUT till-9-z/q"))

    assert lines == ["PUT till-9-z/q␊�deceived"]
    text = server.log.read_text()
    assert "\x1b" not in text
    assert not [
        line for line in text.splitlines() if re.match(r"(\S+ \S+ )?ERROR\s*: forged", line)
    ]
    assert "forged by nobody" in text
