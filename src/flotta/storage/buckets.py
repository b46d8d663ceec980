"""Make and remove buckets as an administrator; the only module of the control plane that talks S3."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from .errors import StorageRefused, StorageUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from .keys import Key

PRESENT = ("BucketAlreadyOwnedByYou", "BucketAlreadyExists")
ABSENT = ("NoSuchBucket", "404")
REFUSED = ("AccessDenied", "InvalidBucketName", "SignatureDoesNotMatch", "InvalidAccessKeyId")


class Buckets:
    """Administrator's view of one S3 server. boto3 blocks, so each call runs in a thread."""

    def __init__(self, endpoint: str, region: str, key: Key, ca_file: str | None):
        self._s3: Any = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name=region,
            aws_access_key_id=key.access_key,
            aws_secret_access_key=key.secret_key,
            verify=ca_file or True,
            config=Config(
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                s3={"addressing_style": "path"},
                connect_timeout=5,
                read_timeout=30,
                retries={"mode": "standard", "total_max_attempts": 3},
            ),
        )

    async def ensure(self, bucket: str) -> None:
        """Create the bucket unless it is there."""
        await _in_thread(lambda: self._ensure(bucket))

    async def remove(self, bucket: str) -> None:
        """Remove the bucket with all it holds; an absent one is fine."""
        await _in_thread(lambda: self._remove(bucket))

    def _ensure(self, bucket: str) -> None:
        try:
            self._s3.create_bucket(Bucket=bucket)
        except ClientError as error:
            if _code(error) not in PRESENT:
                raise

    def _remove(self, bucket: str) -> None:
        try:
            self._empty(bucket)
            self._s3.delete_bucket(Bucket=bucket)
        except ClientError as error:
            if _code(error) not in ABSENT:
                raise

    def _empty(self, bucket: str) -> None:
        # One page is taken again and again instead of paging: what was listed is gone by then.
        while contents := self._s3.list_objects_v2(Bucket=bucket).get("Contents"):
            doomed = [{"Key": item["Key"]} for item in contents]
            answer = self._s3.delete_objects(
                Bucket=bucket, Delete={"Objects": doomed, "Quiet": True}
            )
            if answer.get("Errors"):
                problem = answer["Errors"][0]
                raise StorageUnavailable(
                    f"bucket {bucket}: {problem.get('Key')} was not removed: {problem.get('Code')}"
                )


async def _in_thread(call: Callable[[], None]) -> None:
    try:
        await asyncio.to_thread(call)
    except ClientError as error:
        kind = StorageRefused if _code(error) in REFUSED else StorageUnavailable
        raise kind(f"the S3 server refused: {error}") from error
    except BotoCoreError as error:
        raise StorageUnavailable(f"the S3 server is not reached: {error}") from error


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
