"""boto3's client of S3, which has no types: the calls made, and what is read of their responses.

Arguments and fields are spelt as in the API reference of Amazon S3; an `ETag` is in quotes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO, Protocol, TypedDict


class ObjectHead(TypedDict):
    """What an object is, without its content."""

    ETag: str
    ContentLength: int  # bytes


class ObjectContent(TypedDict):
    """An object, or the requested part of it."""

    ETag: str
    ContentLength: int  # bytes of the part
    Body: BodyStream


class BodyStream(Protocol):
    """The bytes of a response as they arrive."""

    def read(self, amount: int) -> bytes:
        """Return the next bytes, at most `amount`; none at the end."""

    def close(self) -> None:
        """Discard what was not read."""


class StoredObject(TypedDict):
    """The response to a write."""

    ETag: str


class CreatedUpload(TypedDict):
    """The response to CreateMultipartUpload."""

    UploadId: str


class UploadIdentity(TypedDict):
    """A multipart upload as it is listed."""

    Key: str
    UploadId: str


class ListedUploads(TypedDict, total=False):
    """The first unfinished uploads of a bucket; without any no `Uploads`."""

    Uploads: list[UploadIdentity]


class UploadedPart(TypedDict):
    """A part that the server has."""

    PartNumber: int
    ETag: str
    Size: int  # bytes


class ListedParts(TypedDict, total=False):
    """A page of the parts of an upload; a truncated one says where the next begins."""

    Parts: list[UploadedPart]
    IsTruncated: bool
    NextPartNumberMarker: int


class CompletedPart(TypedDict):
    """A part of the object that an upload becomes."""

    PartNumber: int
    ETag: str


class CompletedUpload(TypedDict):
    """The parts in the order of their numbers."""

    Parts: Sequence[CompletedPart]


class S3Client(Protocol):
    """A client of S3. Every call raises ClientError for a refusal, BotoCoreError for no answer."""

    def head_object(self, *, Bucket: str, Key: str) -> ObjectHead:
        """Ask what an object is."""

    def get_object(self, *, Bucket: str, Key: str, Range: str = ...) -> ObjectContent:
        """Fetch an object, or with `Range` (RFC 9110, 14.2) a part of it."""

    def put_object(
        self, *, Bucket: str, Key: str, Body: BinaryIO, ContentLength: int, ContentMD5: str
    ) -> StoredObject:
        """Write an object; the server compares the MD5 (base64) of what it received."""

    def create_multipart_upload(self, *, Bucket: str, Key: str) -> CreatedUpload:
        """Begin an upload in parts."""

    def upload_part(
        self,
        *,
        Bucket: str,
        Key: str,
        UploadId: str,
        PartNumber: int,
        Body: bytes,
        ContentMD5: str,
    ) -> object:
        """Send a part; the server compares the MD5 (base64) of what it received."""

    def list_parts(
        self, *, Bucket: str, Key: str, UploadId: str, PartNumberMarker: int
    ) -> ListedParts:
        """List the parts of an upload whose number is higher than the marker."""

    def complete_multipart_upload(
        self, *, Bucket: str, Key: str, UploadId: str, MultipartUpload: CompletedUpload
    ) -> StoredObject:
        """Make the object of its parts."""

    def abort_multipart_upload(self, *, Bucket: str, Key: str, UploadId: str) -> object:
        """Drop an upload with its parts."""

    def list_multipart_uploads(self, *, Bucket: str, Prefix: str) -> ListedUploads:
        """List the unfinished uploads of keys that begin with `Prefix`."""
