"""Buckets of an S3 site, created and deleted with the administrator's key."""

from __future__ import annotations

from botocore.exceptions import ClientError

from flotta.settings.storage import S3_REGION
from flotta.storage.aws import BucketConfiguration, ObjectIdentifier, S3Client
from flotta.storage.errors import StorageRefused, StorageUnavailable
from flotta.storage.s3_site import S3Site, error_code

OWN = "BucketAlreadyOwnedByYou"
TAKEN = "BucketAlreadyExists"  # AWS: owned by another account; some servers: also by ours
ABSENT = ("NoSuchBucket", "404")
ELSEWHERE = ("403", "AccessDenied", "301", "PermanentRedirect")


class Buckets:
    """The buckets of one site."""

    def __init__(self, site: S3Site) -> None:
        self._site = site

    async def ensure(self, bucket: str) -> None:
        """Create the bucket unless it exists; StorageRefused when another account owns the name."""
        region = self._site.region
        await self._site.call_s3(lambda s3: _ensure_bucket(s3, bucket, region))

    async def exists(self, bucket: str) -> bool:
        """Tell whether a bucket of this name exists, of whatever account."""
        return await self._site.call_s3(lambda s3: _bucket_exists(s3, bucket))

    async def remove(self, bucket: str) -> None:
        """Delete the bucket with all its objects; an absent one is fine."""
        await self._site.call_s3(lambda s3: _remove_bucket(s3, bucket))

    async def is_empty(self, bucket: str) -> bool:
        """Tell whether the bucket has no object; True for an absent one."""
        return await self._site.call_s3(lambda s3: _is_empty(s3, bucket))


def _ensure_bucket(s3: S3Client, bucket: str, region: str) -> None:
    try:
        if (
            region == S3_REGION.default
        ):  # which S3 does not accept by its name (API reference, CreateBucket)
            s3.create_bucket(Bucket=bucket)
        else:
            where: BucketConfiguration = {"LocationConstraint": region}
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=where)
    except ClientError as error:
        if error_code(error) == TAKEN:
            _require_own(s3, bucket)
        elif error_code(error) != OWN:
            raise


def _bucket_exists(s3: S3Client, bucket: str) -> bool:
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        # A HEAD has no body, so the code is the HTTP status (API reference, HeadBucket): 403 and
        # 301 are for buckets of other accounts and regions.
        if error_code(error) in ABSENT:
            return False
        if error_code(error) not in ELSEWHERE:
            raise
    return True


def _require_own(s3: S3Client, bucket: str) -> None:
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error_code(error) in ("403", "AccessDenied"):
            raise StorageRefused(f"bucket {bucket} belongs to another account") from error
        raise


def _is_empty(s3: S3Client, bucket: str) -> bool:
    try:
        return not s3.list_objects_v2(Bucket=bucket).get("Contents")
    except ClientError as error:
        if error_code(error) not in ABSENT:
            raise
    return True


def _remove_bucket(s3: S3Client, bucket: str) -> None:
    try:
        _empty_bucket(s3, bucket)
        s3.delete_bucket(Bucket=bucket)
    except ClientError as error:
        if error_code(error) not in ABSENT:
            raise


def _empty_bucket(s3: S3Client, bucket: str) -> None:
    # The first page is listed again instead of the next: its objects are deleted by then.
    while contents := s3.list_objects_v2(Bucket=bucket).get("Contents"):
        doomed: list[ObjectIdentifier] = [{"Key": item["Key"]} for item in contents]
        response = s3.delete_objects(Bucket=bucket, Delete={"Objects": doomed, "Quiet": True})
        if errors := response.get("Errors"):
            problem = errors[0]
            raise StorageUnavailable(
                f"bucket {bucket}: {problem.get('Key')} was not deleted: {problem.get('Code')}"
            )
