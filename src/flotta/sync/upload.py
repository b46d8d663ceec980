"""Send one file: only consistent content reaches its key, and nothing equal is sent again.

Rules: docs/reference/device.md#transfers.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable

from botocore.exceptions import ClientError

from flotta.sync import checksum, tree
from flotta.sync.file_client import TaskFiles
from flotta.sync.job import TaskOutcome, UploadStarted, UploadTask, transfer_outcome
from flotta.sync.model import FileStat
from flotta.sync.s3_api import CompletedPart, S3Client
from flotta.sync.s3_client import error_code, is_missing


class ChangingError(Exception):
    """The file changed while it was read; what was read is discarded."""


class Uploader:
    """Sends files of export directories to one bucket.

    `started` is called before the first part of a multipart upload is sent.
    """

    def __init__(
        self,
        s3: S3Client,
        bucket: str,
        files: TaskFiles,
        started: Callable[[UploadStarted], None],
    ) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._files = files
        self._started = started

    def send_file(self, task: UploadTask) -> TaskOutcome:
        """Send the file and say how that ended; S3 and file errors are raised."""
        try:
            with self._files.open_source(task) as descriptor:
                return self._send_content(task, descriptor)
        except FileNotFoundError:
            return TaskOutcome(task.number, "gone")
        except ChangingError:
            return TaskOutcome(task.number, "changing")

    def _send_content(self, task: UploadTask, descriptor: int) -> TaskOutcome:
        before = tree.file_stat(os.fstat(descriptor))
        digest = checksum.md5(descriptor, length=before.size)
        _check_unchanged(descriptor, before)
        text = digest.hexdigest()
        if text == task.digest and not task.check:
            return transfer_outcome(task, "unchanged", before, text, None)
        if task.check and (
            etag := self._find_equal_object(task.key, descriptor, before.size, text)
        ):
            self._abort_left_over(task)
            return transfer_outcome(task, "equal", before, text, etag)
        if before.size > checksum.PART_SIZE:
            etag = self._send_parts(task, descriptor, before)
        else:
            etag = self._put_object(task.key, descriptor, before, digest.digest())
        return transfer_outcome(task, "done", before, text, etag)

    def _find_equal_object(self, key: str, descriptor: int, size: int, digest: str) -> str | None:
        try:
            head = self._s3.head_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if is_missing(error):
                return None
            raise
        etag = str(head["ETag"]).strip('"')
        if head["ContentLength"] != size:
            return None
        return etag if checksum.matches_etag(descriptor, size, etag, digest) else None

    def _put_object(self, key: str, descriptor: int, before: FileStat, digest: bytes) -> str:
        with os.fdopen(os.dup(descriptor), "rb") as body:
            body.seek(0)
            try:
                response = self._s3.put_object(
                    Bucket=self._bucket,
                    Key=key,
                    Body=body,
                    ContentLength=before.size,
                    ContentMD5=base64.b64encode(digest).decode(),
                )
            except ClientError as error:
                # The server compares Content-MD5: bytes that changed after hashing are not stored.
                if error_code(error) in ("BadDigest", "InvalidDigest", "IncompleteBody"):
                    raise ChangingError from error
                raise
        return str(response["ETag"]).strip('"')

    def _send_parts(self, task: UploadTask, descriptor: int, before: FileStat) -> str:
        upload_id, present = self._resume_upload(task)
        length = checksum.part_size(before.size)
        parts: list[CompletedPart] = []
        digests: list[bytes] = []
        for number, offset in enumerate(range(0, before.size, length), start=1):
            data = os.pread(descriptor, length, offset)
            digest = checksum.part_digest(data)
            if present.get(number) not in (None, (digest.hex(), len(data))):
                # Sent from another version of the file; not every server lets a part be replaced.
                self.abort_upload(task.key, upload_id)
                return self._send_parts(_without_upload(task), descriptor, before)
            if number not in present:
                self._send_part(task.key, upload_id, number, data, digest)
            parts.append({"PartNumber": number, "ETag": f'"{digest.hex()}"'})
            digests.append(digest)
        return self._complete_upload(task, upload_id, parts, digests, descriptor, before)

    def _send_part(self, key: str, upload_id: str, number: int, data: bytes, digest: bytes) -> None:
        self._s3.upload_part(
            Bucket=self._bucket,
            Key=key,
            UploadId=upload_id,
            PartNumber=number,
            Body=data,
            ContentMD5=base64.b64encode(digest).decode(),
        )

    def _complete_upload(
        self,
        task: UploadTask,
        upload_id: str,
        parts: list[CompletedPart],
        digests: list[bytes],
        descriptor: int,
        before: FileStat,
    ) -> str:
        try:
            _check_unchanged(descriptor, before)
        except ChangingError:
            self.abort_upload(task.key, upload_id)
            raise
        response = self._s3.complete_multipart_upload(
            Bucket=self._bucket,
            Key=task.key,
            UploadId=upload_id,
            MultipartUpload={"Parts": parts},
        )
        etag = str(response["ETag"]).strip('"')
        if "-" in etag and etag != checksum.composite_etag(digests):
            raise OSError("the S3 server assembled the parts incorrectly")
        return etag

    def _resume_upload(self, task: UploadTask) -> tuple[str, dict[int, tuple[str, int]]]:
        """Return an upload to resume and the parts it has, else a new one."""
        left_over = self._list_left_over(task)
        for upload_id in left_over[:1]:
            present = self._list_parts(task.key, upload_id)
            if present is not None:
                self._abort_all(task.key, left_over[1:])
                self._started(UploadStarted(task.number, upload_id))
                return upload_id, present
        self._abort_all(task.key, left_over)
        made = self._s3.create_multipart_upload(Bucket=self._bucket, Key=task.key)
        self._started(UploadStarted(task.number, made["UploadId"]))
        return made["UploadId"], {}

    def _list_left_over(self, task: UploadTask) -> list[str]:
        """Return unfinished uploads of this key, the remembered one first."""
        remembered = [task.upload_id] if task.upload_id else []
        try:
            listed = self._s3.list_multipart_uploads(Bucket=self._bucket, Prefix=task.key)
        except ClientError as error:
            if not error_code(error):
                raise
            return remembered  # listing uploads is a permission that not every access key has
        found = [item["UploadId"] for item in listed.get("Uploads", []) if item["Key"] == task.key]
        return [
            *[known for known in remembered if known in found],
            *sorted(set(found) - set(remembered)),
        ]

    def _list_parts(self, key: str, upload_id: str) -> dict[int, tuple[str, int]] | None:
        found: dict[int, tuple[str, int]] = {}
        marker = 0
        while True:
            try:
                page = self._s3.list_parts(
                    Bucket=self._bucket, Key=key, UploadId=upload_id, PartNumberMarker=marker
                )
            except ClientError as error:
                if error_code(error) == "NoSuchUpload":
                    return None
                raise
            for part in page.get("Parts", []):
                found[part["PartNumber"]] = (part["ETag"].strip('"'), part["Size"])
            if not page.get("IsTruncated"):
                return found
            marker = page["NextPartNumberMarker"]

    def abort_upload(self, key: str, upload_id: str) -> None:
        """Abort an upload; one that does not exist is not an error."""
        try:
            self._s3.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload_id)
        except ClientError as error:
            if error_code(error) not in ("NoSuchUpload", "404"):
                raise

    def _abort_all(self, key: str, uploads: list[str]) -> None:
        for upload_id in uploads:
            self.abort_upload(key, upload_id)

    def _abort_left_over(self, task: UploadTask) -> None:
        if task.upload_id:
            self.abort_upload(task.key, task.upload_id)


def _check_unchanged(descriptor: int, before: FileStat) -> None:
    if tree.file_stat(os.fstat(descriptor)) != before:
        raise ChangingError


def _without_upload(task: UploadTask) -> UploadTask:
    return type(task)(task.number, task.workload, task.path, task.key, check=False)
