from __future__ import annotations

import hashlib
import os

import pytest

from flotta.sync import checksum

MEBIBYTE = 1 << 20


@pytest.fixture
def content(tmp_path):
    data = os.urandom(11 * MEBIBYTE)
    (tmp_path / "file").write_bytes(data)
    descriptor = os.open(tmp_path / "file", os.O_RDONLY)
    yield data, descriptor
    os.close(descriptor)


def etag_of_parts(data: bytes, size: int) -> str:
    parts = [data[n : n + size] for n in range(0, len(data), size)]
    joined = b"".join(hashlib.md5(part).digest() for part in parts)  # noqa: S324
    return f"{hashlib.md5(joined).hexdigest()}-{len(parts)}"  # noqa: S324


def test_equal_content_matches_plain_and_multipart_etags(content):
    data, descriptor = content
    digest = hashlib.md5(data).hexdigest()  # noqa: S324
    for etag in (digest, etag_of_parts(data, 8 * MEBIBYTE), etag_of_parts(data, 5 * MEBIBYTE)):
        assert checksum.matches_etag(descriptor, len(data), etag, digest)


def test_other_content_does_not_match(content):
    data, descriptor = content
    digest = hashlib.md5(data).hexdigest()  # noqa: S324
    other = os.urandom(len(data))
    for etag in (hashlib.md5(other).hexdigest(), etag_of_parts(other, 8 * MEBIBYTE), "opaque"):  # noqa: S324
        assert not checksum.matches_etag(descriptor, len(data), etag, digest)


def test_parts_are_8_mib_until_there_would_be_too_many():
    assert checksum.part_size(100 * MEBIBYTE) == 8 * MEBIBYTE
    assert checksum.part_size(200_000 * MEBIBYTE) == 20 * MEBIBYTE
