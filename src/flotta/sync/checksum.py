"""MD5 of files and the ETags that S3 servers make of them.

ETag and Content-MD5 are MD5; here it detects damage and equality, it does not protect anything.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator

MEBIBYTE = 1 << 20  # bytes
PART_SIZE = 8 * MEBIBYTE  # bytes of a part of an upload
BLOCK = MEBIBYTE  # bytes read at once
MAX_PARTS = 10_000  # parts of one upload (Amazon S3)
PLAIN = re.compile(r"[0-9a-f]{32}")
COMPOSITE = re.compile(r"[0-9a-f]{32}-([0-9]+)")
# Part sizes of usual clients, for objects that other programs uploaded in parts.
USUAL_PART_SIZES = (5 * MEBIBYTE, 16 * MEBIBYTE, 64 * MEBIBYTE)  # bytes


def is_plain_md5(etag: str) -> bool:
    """Tell whether an ETag is the MD5 of the object."""
    return PLAIN.fullmatch(etag) is not None


def part_size(size: int) -> int:
    """Return the part size for a file: 8 MiB, or what keeps it within 10,000 parts."""
    needed = -(-size // MAX_PARTS)
    return max(PART_SIZE, -(-needed // MEBIBYTE) * MEBIBYTE)


def read_blocks(descriptor: int, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
    """Yield content from `offset` on, at most `length` bytes, without moving the file position."""
    end = None if length is None else offset + length
    while end is None or offset < end:
        block = os.pread(descriptor, BLOCK if end is None else min(BLOCK, end - offset), offset)
        if not block:
            return
        yield block
        offset += len(block)


def md5(descriptor: int, offset: int = 0, length: int | None = None) -> hashlib._Hash:
    """Return the running MD5 of a range of a file."""
    digest = hashlib.md5(usedforsecurity=False)
    for block in read_blocks(descriptor, offset, length):
        digest.update(block)
    return digest


def composite_etag(digests: list[bytes]) -> str:
    """Return the ETag of an object uploaded in parts with these MD5s."""
    whole = hashlib.md5(b"".join(digests), usedforsecurity=False)
    return f"{whole.hexdigest()}-{len(digests)}"


def matches_etag(descriptor: int, size: int, etag: str, digest: str) -> bool:
    """Tell whether a file of this size and MD5 is the object with this ETag."""
    if is_plain_md5(etag):
        return etag == digest
    found = COMPOSITE.fullmatch(etag)
    if not found:
        return False
    parts = int(found[1])
    return any(
        composite_etag(_part_digests(descriptor, size, length)) == etag
        for length in (part_size(size), *USUAL_PART_SIZES)
        if -(-size // length) == parts
    )


def _part_digests(descriptor: int, size: int, length: int) -> list[bytes]:
    return [md5(descriptor, offset, length).digest() for offset in range(0, size, length)]


def part_digest(data: bytes) -> bytes:
    """Return the MD5 of one part."""
    return hashlib.md5(data, usedforsecurity=False).digest()
